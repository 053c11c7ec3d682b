from __future__ import annotations

import json
import subprocess
import sys

import pytest

from labkit.cli import main
from labkit.core.config import Config, field
from labkit.cost.config import CostConfig
from labkit.cost.estimate import estimate_cost


def test_experts_and_windows_are_said(capsys):
    """2 of 8 experts; 32 blocks of 8 key heads of 128, 2 x 2 bytes; at most 4,096 tokens of it."""
    assert main(["cost", "mixtral-8x7b"]) == 0
    assert "12,879,925,248 of them active: 2 of 8 experts" in capsys.readouterr().out
    assert main(["cost", "mistral-7b"]) == 0
    assert "131,072 bytes per token of keys and values in bf16; 0.50 GiB" in capsys.readouterr().out


def test_the_flags_of_the_readme(capsys):
    assert main(["cost", "llama-2-7b", "--gpu", "H100 SXM", "--tokens", "2e12", "--json"]) == 0
    config = CostConfig.from_parameters(
        {"model": "llama-2-7b", "gpu": "H100 SXM", "num_tokens": 2 * 10**12}
    )
    assert json.loads(capsys.readouterr().out) == estimate_cost(config).model_dump()


def test_rent_against_buying(capsys):
    flags = ["--gpu", "H100 SXM", "--price-usd-per-gpu-hour", "2", "--num-gpus", "100"]
    assert main(["cost", "llama-2-7b", *flags, "--bought-for", "20000"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert "after 10,000 hours at work" in said
    hours = CostConfig.from_parameters(
        {"model": "llama-2-7b", "gpu": "H100 SXM", "num_gpus": 100, "price_usd_per_gpu_hour": 2.0}
    )
    assert f"takes {estimate_cost(hours).gpu_hours / 100:,.0f} hours on each GPU" in said
    assert main(["cost", "llama-2-7b", *flags, "--bought-for", "0"]) == 2
    assert "give a price above 0" in capsys.readouterr().err


def test_without_a_price_hours_and_memory_are_printed(capsys):
    assert main(["cost", "llama-2-7b", "--gpu", "MI300X"]) == 0
    printed = capsys.readouterr().out
    assert "money      no sourced price for MI300X; give USD per GPU hour" in printed
    assert "fits" in printed
    assert main(["cost", "llama-2-7b", "--gpu", "MI300X", "--bought-for", "9000"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["llama-9"], "unknown model 'llama-9'; known: gpt2"),
        (["--mfu", "40"], "mfu=40: should be less than or equal to 0.95"),
        (["--tokens", "many"], "num_tokens='many': should be a number, not str"),
        (["--set", "model.depth=3"], "unknown field 'model.depth'"),
        (["--set", "model.depth"], "write FIELD=VALUE"),
        (["gpt2", "--model", "llama-2-7b"], "two models: gpt2 and --model llama-2-7b"),
        (["--tokens", "true"], "num_tokens=True: should be a number, not bool"),
        (["--tokens", "1" * 5000], "should be a number"),
        (["--set", "memory.precision=fp32"], "hours in fp32 can't be estimated"),
        (["--params", "not/there.yaml"], "cannot read parameters"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(capsys, arguments, message):
    assert main(["cost", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("labkit cost: ")
    assert message in captured.err


def test_every_headline_field_is_a_flag_and_help_shows_its_unit(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["cost", "--help"])
    assert exit_.value.code == 0
    page = " ".join(capsys.readouterr().out.split())
    for name, info in CostConfig.model_fields.items():
        if not (isinstance(info.annotation, type) and issubclass(info.annotation, Config)):
            assert "--" + name.replace("_", "-") in page
    assert "[USD per GPU hour]" in page
    assert "(0.01..0.95)" in page


def test_flags_win_over_a_parameter_file(tmp_path, capsys):
    path = CostConfig.from_parameters({"mfu": 0.3}).save_parameters(tmp_path / "p.yaml")
    main(["cost", "--params", str(path), "--num-gpus", "8", "--json"])
    expected = estimate_cost(CostConfig.from_parameters({"mfu": 0.3, "num_gpus": 8}))
    assert json.loads(capsys.readouterr().out) == expected.model_dump()


def test_a_fields_help_is_not_taken_for_a_format():
    import argparse

    from labkit.cli.flags import add_config_flags

    class Share(Config):
        share: float = field(0.5, "at most 100% of it")

    parser = argparse.ArgumentParser()
    add_config_flags(parser, Share)
    assert "100% of it" in parser.format_help()


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m labkit cost gpt2 | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("model")
    assert done.stderr == ""
