"""How is it trained? Start at `data_order.py`: which sample comes when, on any machine."""
