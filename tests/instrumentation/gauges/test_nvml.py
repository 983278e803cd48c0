"""NVIDIA's GPUs, by a script: what they tell, what it costs, and what becomes of those that do not answer."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .scripted_gpu import ScriptedGpu

FIRST, SECOND = "GPU-11111111-0000-0000-0000-000000000000", "GPU-22222222-0000-0000-0000-000000000000"
SAMPLER = """
from dataclasses import fields
from vigilo.gauges import nvml, nvml_device, questions
from vigilo.gauges.nvml import NvmlSampler

class Clock:
    now_s = 1000.0
clock = Clock()
for module in (nvml, nvml_device, questions):
    module.monotonic = lambda: clock.now_s

def as_dict(device):
    return {one.name: dict(v) if hasattr(v := getattr(device, one.name), "items") else v for one in fields(device)}

def look(memory_only=False):
    clock.now_s += 10
    return {device.id: as_dict(device) for device in sampler.sample(memory_only=memory_only)}

sampler = NvmlSampler()
"""


def test_devices_tell_what_the_driver_says(gpu: ScriptedGpu) -> None:
    seen = gpu.run(SAMPLER, "assert sampler.open(); [look() for _ in range(4)]; tell(look())")
    attributes = {
        "hw.id": FIRST,
        "hw.name": "Tesla T4",
        "hw.vendor": "NVIDIA",
        "hw.driver_version": "550.54.15",
        "hw.serial_number": "1320521000001",
    }
    assert seen[FIRST] == {
        "id": FIRST,
        "attributes": attributes,
        "state": "ok",
        "memory_used_bytes": 1_000_000_000,
        "memory_limit_bytes": 16_106_127_360,
        "memory_free_bytes": 14_806_127_360,
        "utilization": 0.37,
        "encoder_utilization": 0.05,
        "decoder_utilization": 0.0,
        "power_w": 41.5,
        "energy_j": 123456.789,
        "temperature_c": 55.0,
        "temperature_limits_c": {"critical": 96.0, "throttled": 93.0},
        "fan_ratio": None,
        "io_received_bytes": None,
        "io_transmitted_bytes": None,
        "errors": {"corrected": 2, "uncorrected": 0},
        "processes": {},
    }
    assert seen[SECOND]["errors"] == {}
    assert "hw.serial_number" not in seen[SECOND]["attributes"]


def test_a_look_takes_no_more_than_four_calls_a_gpu_and_facts_are_asked_for_once(gpu: ScriptedGpu) -> None:
    told = gpu.run(
        SAMPLER,
        f"""
        change("gpu0.fan 40", "gpu1.fan 40")  # all that there is to ask
        sampler.open()
        counts = []
        for memory_only in [False] * 12 + [True] * 3 + [False]:
            before = calls()
            look(memory_only)
            counts.append(calls() - before)
        facts = ["nvmlInitWithFlags", "nvmlDeviceGetCount_v2", "nvmlSystemGetDriverVersion"]
        per_gpu = ["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetMigMode"]
        tell([counts, [calls(one) for one in facts], [calls(one) for one in per_gpu], look()["{FIRST}"]])
        """,
    )
    counts, facts, per_gpu, seen = told
    assert max(counts[:12]) <= 8
    assert counts[12:15] == [4, 4, 4]
    assert counts[15] <= 8
    assert facts == [1, 1, 1]
    assert per_gpu == [2, 2, 2, 2]
    assert None not in (seen["fan_ratio"], seen["encoder_utilization"], seen["power_w"], seen["temperature_c"])


def test_what_is_not_supported_is_absent_and_not_asked_for_again(gpu: ScriptedGpu) -> None:
    seen, utilization, encoder = gpu.run(
        SAMPLER,
        """
        change("gpus 1", "gpu0.fail.nvmlDeviceGetUtilizationRates 3", "fail.nvmlDeviceGetEncoderUtilization 13")
        sampler.open()
        for _ in range(9):
            seen = look()
        tell([seen, calls("nvmlDeviceGetUtilizationRates"), calls("nvmlDeviceGetEncoderUtilization")])
        """,
    )
    assert seen[FIRST]["utilization"] is None
    assert seen[FIRST]["encoder_utilization"] is None
    assert seen[FIRST]["temperature_c"] == 55.0
    assert seen[FIRST]["state"] == "ok"
    assert (utilization, encoder) == (1, 1)


@pytest.mark.parametrize("code", [4, 999, 10])
def test_what_is_refused_is_asked_for_three_times_and_again_after_ten_minutes(gpu: ScriptedGpu, code: int) -> None:
    refused, kept, later, seen = gpu.run(
        SAMPLER,
        f"""
        change("gpus 1", "gpu0.fail.nvmlDeviceGetTemperature {code}")
        sampler.open()
        for _ in range(9):
            refused = look()
        kept = calls("nvmlDeviceGetTemperature")
        change("-gpu0.fail.nvmlDeviceGetTemperature")
        clock.now_s += 600
        seen = look()
        tell([refused, kept, calls("nvmlDeviceGetTemperature"), seen])
        """,
    )
    assert refused[FIRST]["temperature_c"] is None
    assert refused[FIRST]["state"] == "ok"
    assert (kept, later) == (3, 4)
    assert seen[FIRST]["temperature_c"] == 55.0


def test_memory_and_utilization_are_asked_for_again_soon_and_then_less_and_less(gpu: ScriptedGpu) -> None:
    times, seen = gpu.run(
        SAMPLER,
        """
        functions = ["nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetUtilizationRates"]
        change("gpus 1", *(f"gpu0.fail.{one} 10" for one in functions))
        sampler.open()
        times = {one: [] for one in functions}
        for second in range(2000):
            clock.now_s += 1
            before = [calls(one) for one in functions]
            sampler.sample(memory_only=True)
            for one, count in zip(functions, before):
                times[one] += [second] * (calls(one) - count)
        change(*(f"-gpu0.fail.{one}" for one in functions))
        clock.now_s += 600
        tell([times, look(memory_only=True)])
        """,
    )
    for asked in times.values():
        waited = [after - before for before, after in pairwise(asked)]
        assert waited == [1, 1, 10, 20, 40, 80, 160, 320, 600, 600]
    assert (seen[FIRST]["memory_used_bytes"], seen[FIRST]["utilization"]) == (1_000_000_000, 0.37)


def test_memory_is_that_of_the_second_version_where_the_driver_has_it(gpu: ScriptedGpu, old_gpu: ScriptedGpu) -> None:
    code = """
        sampler.open()
        look(), look(), look()
        tell([look()["%s"], calls("nvmlDeviceGetMemoryInfo"), calls("nvmlDeviceGetPowerUsage")])
        """
    new, first_version, power = gpu.run(SAMPLER, code % FIRST)
    assert (new["memory_used_bytes"], first_version, power) == (1_000_000_000, 0, 0)
    old, _, power = old_gpu.run(SAMPLER, code % FIRST)
    assert old["memory_used_bytes"] == 1_300_000_000
    assert old["memory_free_bytes"] == new["memory_free_bytes"]
    assert old["power_w"] == 41.5
    assert power
    assert old["energy_j"] == 123456.789


def test_where_the_second_version_fails_the_first_one_is_asked(gpu: ScriptedGpu) -> None:
    seen, asked = gpu.run(
        SAMPLER,
        """
        change("gpus 1", "gpu0.fail.nvmlDeviceGetMemoryInfo_v2 999")
        sampler.open()
        look(), look()
        tell([look(), calls("nvmlDeviceGetMemoryInfo_v2")])
        """,
    )
    assert seen[FIRST]["memory_used_bytes"] == 1_300_000_000
    assert seen[FIRST]["state"] == "ok"
    assert asked == 1


def test_a_call_that_timed_out_does_not_make_memory_jump(gpu: ScriptedGpu) -> None:
    without, after = gpu.run(
        SAMPLER,
        """
        sampler.open()
        look()
        change("gpu0.fail.nvmlDeviceGetMemoryInfo_v2 10")
        without = look()
        change("-gpu0.fail.nvmlDeviceGetMemoryInfo_v2")
        tell([without, look()])
        """,
    )
    assert (without[FIRST]["memory_used_bytes"], without[FIRST]["state"]) == (None, "ok")
    assert after[FIRST]["memory_used_bytes"] == 1_000_000_000


@pytest.mark.parametrize("code", [2, 6, 999])
def test_a_gpu_that_answered_and_is_unknown_now_is_failed(gpu: ScriptedGpu, code: int) -> None:
    seen = gpu.run(
        SAMPLER,
        f"""
        sampler.open()
        look()
        change("gpu0.fail.nvmlDeviceGetMemoryInfo_v2 {code}", "gpu0.fail.nvmlDeviceGetMemoryInfo {code}")
        tell(look())
        """,
    )
    assert [one["state"] for one in seen.values()] == ["failed", "ok"]


@pytest.mark.parametrize("how", ["gpu1.lost 1", "gpus 1"])
def test_a_lost_gpu_is_failed_until_it_is_back_and_the_driver_is_opened_once_a_minute(
    gpu: ScriptedGpu, how: str
) -> None:
    states, opened, asked, back = gpu.run(
        SAMPLER,
        f"""
        sampler.open()
        look()
        change("{how}")
        states = [[device["state"] for device in look().values()] for _ in range(20)]
        opened = calls("nvmlInitWithFlags")
        before = calls("nvmlDeviceGetMemoryInfo_v2")
        look()
        asked = calls("nvmlDeviceGetMemoryInfo_v2") - before
        change("gpu1.lost 0", "gpus 2")
        clock.now_s += 600
        tell([states, opened, asked, look()])
        """,
    )
    assert states == [["ok", "failed"]] * 20
    assert 2 <= opened <= 1 + 20 * 10 / 60
    assert asked == 1
    assert back[SECOND]["state"] == "ok"
    assert back[SECOND]["memory_used_bytes"] == 500_000_000


def test_exchanged_gpus_are_seen_after_a_minute(gpu: ScriptedGpu) -> None:
    at_once, later = gpu.run(
        SAMPLER,
        """
        change("gpus 1")
        sampler.open()
        look()
        change("generation 2", "gpu0.uuid GPU-L4", "gpu0.name NVIDIA L4")
        at_once = look()
        clock.now_s += 60
        tell([at_once, look()])
        """,
    )
    assert [one["state"] for one in at_once.values()] == ["failed"]
    assert at_once[FIRST]["memory_used_bytes"] is None
    assert later[FIRST]["state"] == "failed"
    assert later["GPU-L4"]["state"] == "ok"
    assert later["GPU-L4"]["attributes"]["hw.name"] == "NVIDIA L4"


def test_a_gpu_that_may_not_be_seen_is_left_out_and_the_driver_is_not_opened_for_it_again(gpu: ScriptedGpu) -> None:
    seen, opened = gpu.run(
        SAMPLER,
        """
        change("gpu1.fail.nvmlDeviceGetUUID 4")
        sampler.open()
        for _ in range(20):
            seen = look()
        tell([seen, calls("nvmlInitWithFlags")])
        """,
    )
    assert list(seen) == [FIRST]
    assert opened == 1


MIG = """
change(
    "gpus 1", "gpu0.migs 2", "gpu0.fail.nvmlDeviceGetMemoryInfo_v2 4", "gpu0.fail.nvmlDeviceGetMemoryInfo 4",
    "-gpu0.utilization", "gpu0.mig0.uuid MIG-a", "gpu0.mig0.name NVIDIA A100 MIG 1g.5gb",
    "gpu0.mig0.total 5000000000", "gpu0.mig0.used 1000", "gpu0.mig1.uuid MIG-b", "gpu0.mig1.total 5000000000",
)
sampler.open()
"""


def test_mig_devices_name_their_gpu_whose_memory_may_be_forbidden(gpu: ScriptedGpu) -> None:
    seen, per_look = gpu.run(
        SAMPLER, MIG, "[look() for _ in range(4)]; before = calls(); seen = look(); tell([seen, calls() - before])"
    )
    assert list(seen) == [FIRST, "MIG-a", "MIG-b"]
    gpu_itself, part = seen[FIRST], seen["MIG-a"]
    assert gpu_itself["memory_used_bytes"] is None
    assert gpu_itself["state"] == "ok"
    assert gpu_itself["power_w"] == 41.5
    assert part["attributes"]["hw.parent"] == FIRST
    assert part["attributes"]["hw.name"] == "NVIDIA A100 MIG 1g.5gb"
    assert (part["memory_used_bytes"], part["memory_limit_bytes"]) == (1000, 5_000_000_000)
    assert part["utilization"] is None
    assert part["power_w"] is None
    assert per_look <= 6


def test_a_mig_device_that_was_taken_down_is_not_broken(gpu: ScriptedGpu) -> None:
    seen = gpu.run(
        SAMPLER, MIG, 'look(); change("generation 2", "gpu0.migs 1"); look(); clock.now_s += 60; tell(look())'
    )
    assert {device_id: one["state"] for device_id, one in seen.items()} == {FIRST: "ok", "MIG-a": "ok"}


def test_a_driver_that_is_not_there_is_told_once_and_found_when_it_is(gpu: ScriptedGpu) -> None:
    found, logged = gpu.run(
        SAMPLER,
        """
        import logging
        logged = []
        logging.getLogger("vigilo").addHandler(handler := logging.Handler())
        handler.emit = lambda record: logged.append(record.getMessage())
        change("fail.nvmlInitWithFlags 9")
        found = [sampler.open(), sampler.open()]
        change("-fail.nvmlInitWithFlags")
        found += [sampler.open(), len(look())]
        tell([found, logged])
        """,
    )
    assert found == [False, False, True, 2]
    assert logged == [
        "vigilo: NVIDIA's driver does not answer (Driver Not Loaded); its GPUs are not seen until it does"
    ]


def test_processes_are_asked_for_only_by_request_and_twice_a_minute(gpu: ScriptedGpu) -> None:
    without, seen, per_minute = gpu.run(
        SAMPLER,
        """
        sampler.open(); look(); sampler.close()
        without = calls("nvmlDeviceGetComputeRunningProcesses_v3")
        sampler = NvmlSampler(processes=True)
        sampler.open()
        change("gpu0.graphics 4244 1000")
        [look() for _ in range(6)]
        look(memory_only=True)
        seen, per_minute = look(), []
        for _ in range(10):
            before = calls("nvmlDeviceGetGraphicsRunningProcesses_v3")  # of the second GPU, whose list is empty: one
            look(), look(), look(), look(), look(), look()
            per_minute.append(calls("nvmlDeviceGetGraphicsRunningProcesses_v3") - before)
        tell([without, seen, per_minute])
        """,
    )
    assert without == 0
    assert seen[FIRST]["processes"] == {"4242": 734003200, "4243": None, "4244": 1000}
    assert seen[SECOND]["processes"] == {}
    assert min(per_minute) >= 1 * (2 + 1)
    assert max(per_minute) <= 2 * (2 + 1)


@pytest.mark.parametrize("interval_s", [10, 60])
def test_with_processes_a_look_takes_no_more_calls_and_the_rest_is_asked_for_as_well(
    gpu: ScriptedGpu, interval_s: int
) -> None:
    counts, asked = gpu.run(
        SAMPLER,
        f"""
        change("gpu0.fan 40", "gpu1.fan 40", "gpu0.graphics 4244 1000", "gpu1.graphics 1 1", "gpu1.process 2 2")
        sampler = NvmlSampler(processes=True)
        sampler.open()
        names = ["ComputeRunningProcesses_v3", "GraphicsRunningProcesses_v3", "FieldValues", "Temperature", "FanSpeed"]
        counts = []
        for _ in range(24):
            clock.now_s += {interval_s} - 10
            before = calls()
            look()
            counts.append(calls() - before)
        tell([counts, [calls("nvmlDeviceGet" + name) for name in names]])
        """,
    )
    assert max(counts) <= 8
    compute, graphics, *others = asked
    assert compute // 2 >= 2 * 3
    assert graphics // 2 >= 2 * 3
    assert others[0] >= 2 * 3
    assert others[1] >= 2 * 3
    assert others[2] >= 2


def test_a_driver_that_is_older_than_the_lists_of_processes_tells_the_rest(old_gpu: ScriptedGpu) -> None:
    seen = old_gpu.run(
        SAMPLER,
        """
        sampler = NvmlSampler(processes=True)
        sampler.open()
        [look() for _ in range(6)]
        tell(look())
        """,
    )
    assert (seen[FIRST]["state"], seen[FIRST]["processes"]) == ("ok", {})
    assert seen[FIRST]["memory_used_bytes"] == 1_300_000_000
    assert seen[FIRST]["temperature_c"] == 55.0


def test_where_there_is_one_list_of_processes_it_is_told(gpu: ScriptedGpu) -> None:
    seen, refused = gpu.run(
        SAMPLER,
        """
        change("gpus 1", "gpu0.fail.nvmlDeviceGetGraphicsRunningProcesses_v3 3")
        sampler = NvmlSampler(processes=True)
        sampler.open()
        [look() for _ in range(20)]
        tell([look(), calls("nvmlDeviceGetGraphicsRunningProcesses_v3")])
        """,
    )
    assert seen[FIRST]["processes"] == {"4242": 734003200, "4243": None}
    assert refused == 1


def test_worn_memory_is_degraded_and_counters_that_go_back_are_not_told(gpu: ScriptedGpu) -> None:
    moved, worn, back = gpu.run(
        SAMPLER,
        f"""
        change("gpus 1", "gpu0.field.197 5000", "gpu0.field.198 7000", "gpu0.field.145 0")
        sampler.open()
        look()
        change("gpu0.field.197 5600", "gpu0.field.198 7000", "gpu0.field.145 1")
        [look() for _ in range(4)]
        moved = look()
        change("gpu0.field.197 100")
        [look() for _ in range(2)]
        back = look()
        worn = moved["{FIRST}"]["state"]
        tell([moved, worn, back])
        """,
    )
    assert (moved[FIRST]["io_transmitted_bytes"], moved[FIRST]["io_received_bytes"]) == (600, 0)
    assert worn == "degraded"
    assert back[FIRST]["io_transmitted_bytes"] is None
    assert back[FIRST]["io_received_bytes"] == 0
