"""Runs of W&B's service, by its recorded answers; without key or network."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from labkit.comparison.runs.view import RunView
from labkit.comparison.runs.wandb_online import read_online
from labkit.core.errors import LabError
from tests.comparison.test_wandb_runs import in_a_process

wandb = pytest.importorskip("wandb", reason="needs labkit[train]")
pytestmark = pytest.mark.usefixtures("quiet")


NODE = {
    "id": "UnVuOnYxOmFiYw==",
    "name": "abc",
    "displayName": "tiny",
    "state": "crashed",
    "config": json.dumps(
        {
            "_wandb": {"value": {"cli_version": "0.31.0"}},
            "model": {"value": {"d_model": 4}, "desc": None},
            "data.batch_size": {"value": 8},
        }
    ),
    "summaryMetrics": json.dumps(
        {"_step": 20, "train": {"loss": 3.5}, "validation/bits_per_byte": 1.5}
    ),
    "systemMetrics": "{}",
    "historyKeys": {"lastStep": 20},
}


HISTORY = [
    {"_step": "0", "_runtime": "0.5", "train/loss": '"NaN"'},
    {"_step": "10", "train/loss": "2.5"},
    {"_step": "10", "validation/bits_per_byte": "NaN"},
    {"_step": "20", "validation/bits_per_byte": "1.5"},
]


class RecordedService:
    """Stands where wandb's public API hands its queries to wandb-core, which has the network."""

    def __init__(self, nodes: list[dict]):
        self.nodes = nodes

    def execute_graphql(self, query: str, variables: dict, **_) -> dict:
        names = [node["name"] for node in self.nodes]
        assert "historyKeys" in query
        if "summaryMetrics" in query:
            assert all(field in query for field in NODE)
        if "runs(" in query:
            edges = [{"node": dict(node), "cursor": node["name"]} for node in self.nodes]
            page = {"hasNextPage": False, "endCursor": None}
            return {"project": {"runCount": len(edges), "runs": {"edges": edges, "pageInfo": page}}}
        index = names.index(variables["name"]) if variables["name"] in names else None
        return {"project": {"run": None if index is None else dict(self.nodes[index])}}

    def send_api_request(self, request):
        from wandb.proto import wandb_api_pb2 as messages

        response = messages.ApiResponse()
        asked = request.read_run_history_request
        if asked.HasField("scan_run_history"):
            scan = asked.scan_run_history
            for row in HISTORY:
                if scan.min_step <= int(row["_step"]) < scan.max_step:
                    answer = response.read_run_history_response.run_history.history_rows.add()
                    for key, value in row.items():
                        answer.history_items.add(key=key, value_json=value)
        return response

    def finalize(self, *_):
        pass


def api_of(nodes: list[dict]):
    """wandb's own Api and Run over recorded answers; `Api()` itself would check a key online."""
    api = object.__new__(wandb.Api)
    api.settings = {"entity": "me", "project": None}
    api.api_key, api._runs, api._service_api = None, {}, RecordedService(nodes)
    return api


def test_runs_of_the_public_api():
    nodes = [NODE, NODE | {"name": "def", "displayName": None, "state": "finished"}]
    first, second = read_online("me/project", api_of(nodes))
    assert first == RunView(
        run_id="abc",
        source="W&B online",
        name="tiny",
        state="crashed",
        config={"model.d_model": 4, "data.batch_size": 8},
        history=[
            {"step": 0, "train/loss": None},
            {"step": 10, "train/loss": 2.5, "validation/bits_per_byte": None},
            {"step": 20, "validation/bits_per_byte": 1.5},
        ],
        summary={
            "train.loss": 3.5,
            "validation/bits_per_byte": 1.5,
            "validation.bits_per_byte": 1.5,
        },
    )
    assert (second.run_id, second.name, second.state) == ("def", "def", "finished")
    assert read_online("me/project/abc", api_of(nodes)) == [first]


@pytest.mark.parametrize(
    ("address", "nodes", "message"),
    [
        ("project", [], "give entity/project or entity/project/run_id"),
        ("me//x", [], "give entity/project or entity/project/run_id"),
        ("me/project", [], "holds no run in 'me/project'"),
        ("me/project/xyz", [NODE], "no runs for 'me/project/xyz': Could not find run.*offline"),
    ],
)
def test_addresses_without_runs_are_refused(address, nodes, message):
    with pytest.raises(LabError, match=message):
        read_online(address, api_of(nodes))


def test_an_error_of_the_service_is_one_line():
    def runs(*_, **__):
        raise wandb.errors.CommError("HTTP 502\n<html>")

    with pytest.raises(LabError, match=r"'me/project': HTTP 502; check .* offline files") as caught:
        read_online("me/project", SimpleNamespace(runs=runs))
    assert "html" not in str(caught.value)


ONLINE = """
import labkit.comparison.runs.wandb_online as online

try:
    online.read_online("me/project")
except online.LabError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("key", "message"), [("", "no W&B API key"), ("0" * 40, "W&B can't be reached")]
)
def test_without_key_or_network_it_says_so_at_once(tmp_path, key, message):
    """In a process of its own: a failed online start can spoil offline runs that follow."""
    key_of = {"WANDB_API_KEY": key} if key else {}
    done = in_a_process(ONLINE, tmp_path, WANDB_BASE_URL="http://127.0.0.1:9", **key_of)
    assert done.stdout.startswith(message), done.stderr
    assert "wandb login" in done.stdout
    assert "offline files" in done.stdout
