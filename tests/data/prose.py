"""Three short texts that pass the rules for English."""

ISLANDS = (
    "The ship that carried the mail to the islands left the harbour before the sun was up. "
    "Nobody on the pier had slept, and the captain knew that the storm of the night before "
    "would have reached the outer rocks by then. He spoke to the pilot, a man with a grey beard "
    "who had been to sea since he was nine, and they agreed to wait for the tide of the evening. "
)
BAKER = (
    "A baker who opens his shop at five has been awake since two. The dough wants six hours and "
    "does not care that people would rather sleep. With the first loaves out of the oven he "
    "sweeps the floor, counts the coins and writes the orders of the day in a book to be read "
    "by his daughter, who will have the shop when he is too old to lift the sacks. "
)
COPPER = (
    "Copper was the first metal that people learned to melt, and the smiths of that time have "
    "left us little more than slag. Where they dug, the hills are still bare. To tell one mine "
    "from the next the chemist compares the traces of lead that each ore has, and with them the "
    "way of a blade from the mountains to the grave in which it was found. "
)
