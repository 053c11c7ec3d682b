"""A real JupyterLab driven in Chromium: own folders, a free port, no request to outside.

The page is driven through JupyterLab's commands, not its menus; a run that leaves an error in a
cell returns false.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

from playwright.sync_api import Browser, Locator, Page, sync_playwright

START_SECONDS, RUN_SECONDS = 60, 480
LOCAL_HOSTS = {"127.0.0.1", "localhost", ""}
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


class Lab:
    """One server with one browser; `page_of` opens a notebook in a fresh page."""

    def __init__(self, folder: Path, url: str, token: str, browser: Browser):
        self.folder = folder
        self.url = url
        self.token = token
        self.browser = browser

    @contextlib.contextmanager
    def page_of(self, notebook: Path) -> Iterator[NotebookPage]:
        context = self.browser.new_context(viewport={"width": 1280, "height": 1400})
        context.set_default_timeout(120_000)
        page = NotebookPage(context.new_page())
        try:
            target = shutil.copy(notebook, self.folder / notebook.name)
            name = quote(Path(target).name)
            page.open(f"{self.url}/lab/tree/{name}?token={self.token}&reset")
            yield page
        finally:
            page.shut_down_kernel()
            context.close()


class NotebookPage:
    """One open notebook, with what its page complained about and where it reached out to."""

    def __init__(self, page: Page):
        self.page = page
        self.console_errors: list[str] = []
        self.outside_requests: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        page.on("request", lambda request: self._on_request(request.url))

    def open(self, url: str) -> None:
        self.page.goto(url)
        self._wait_for("w?.context?.isReady")
        self._wait_for(
            "w?.sessionContext?.session?.kernel?.status === 'idle'"
            " && w.sessionContext.session.kernel.connectionStatus === 'connected'"
        )

    def run_all(self) -> bool:
        """Run every cell; whether all passed. Outputs are drawn when this returns."""
        command = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
        return bool(self._evaluate(command, None, RUN_SECONDS))

    def ask_kernel(self, code: str) -> str:
        """What the notebook's own kernel prints for some code, beside the cells."""
        script = """async code => {
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const future = kernel.requestExecute({code});
            let said = '';
            future.onIOPub = m => { said += m.content.text ?? m.content.evalue ?? '' };
            await future.done;
            return said }"""
        return self._evaluate(script, code, START_SECONDS).strip()

    def errors_in_cells(self) -> list[str]:
        script = """() => window.jupyterapp.shell.currentWidget.context.model.toJSON().cells
            .flatMap(c => c.outputs ?? []).filter(o => o.output_type === 'error')
            .map(o => o.ename + ': ' + o.evalue)"""
        return self.page.evaluate(script)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()

    def press(self, control: Locator, key: str, times: int = 1) -> None:
        """Arrow keys on a control, as a person without a mouse does."""
        control.scroll_into_view_if_needed()
        control.focus()
        for _ in range(times):
            control.press(key)

    def wait_for_change(self, selector: str, before: str, attribute: str | None = None) -> str:
        """The text (or attribute) of the first such element, once it is another than before."""
        script = """([selector, before, attribute]) => {
            const found = document.querySelector(selector);
            const now = attribute ? found?.getAttribute(attribute) : found?.innerText;
            return now && now !== before ? now : false }"""
        handle = self.page.wait_for_function(script, arg=[selector, before, attribute])
        return handle.json_value()

    def shut_down_kernel(self) -> None:
        self.page.evaluate(
            "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.shutdown()"
        )

    def _evaluate(self, function: str, argument: object, seconds: float):
        """`page.evaluate` waits for ever for a promise that nobody keeps; this does not."""
        script = f"""argument => Promise.race([
            ({function})(argument),
            new Promise((_, refuse) => setTimeout(() => refuse(new Error(
                'no answer in {seconds} s; the kernel is ' + window.jupyterapp.shell.currentWidget
                    ?.sessionContext?.session?.kernel?.status)), {seconds * 1000}))])"""
        return self.page.evaluate(script, argument)

    def _wait_for(self, condition: str) -> None:
        script = (
            f"() => {{ const w = window.jupyterapp?.shell?.currentWidget; return {condition} }}"
        )
        self.page.wait_for_function(script, timeout=START_SECONDS * 1000)

    def _on_console(self, message) -> None:
        if message.type == "error":
            self.console_errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _on_request(self, url: str) -> None:
        if (urlsplit(url).hostname or "") not in LOCAL_HOSTS:
            self.outside_requests.append(url)


@contextlib.contextmanager
def running_lab(root: Path, browser_path: str) -> Iterator[Lab]:
    """Start JupyterLab and a browser below `root`; both end with the block."""
    folder = root / "notebooks"
    folder.mkdir(parents=True)
    port, token = _free_port(), secrets.token_hex(16)
    with (root / "server.log").open("wb") as log:
        server = subprocess.Popen(
            _command(port, token, folder),
            env=_environment(root),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for_server(f"{url}/api/status?token={token}", server, root / "server.log")
        with sync_playwright() as playwright:
            arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
            browser = playwright.chromium.launch(executable_path=browser_path, args=arguments)
            yield Lab(folder, url, token, browser)
            browser.close()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


def _command(port: int, token: str, folder: Path) -> list[str]:
    options = [
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        "--expose-app-in-browser",
        "--LabApp.extension_manager=readonly",
    ]
    if os.geteuid() == 0:
        options.append("--allow-root")
    return [sys.executable, "-m", "jupyterlab", *options]


def _environment(root: Path) -> dict[str, str]:
    folders = {
        name: root / name.lower()
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
        )
    }
    for name, content in SETTINGS.items():
        extension, _, plugin = name.partition("/")
        settings = folders["JUPYTERLAB_SETTINGS_DIR"] / "@jupyterlab" / extension
        settings.mkdir(parents=True, exist_ok=True)
        (settings / f"{plugin}.jupyterlab-settings").write_text(json.dumps(content))
    inherited = {
        k: v for k, v in os.environ.items() if k not in ("LABKIT_MODE", "JPY_SESSION_NAME")
    }
    home = {"LABKIT_HOME": str(root / "artifacts")}
    return inherited | home | {name: str(path) for name, path in folders.items()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for_server(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-2000:]}")
