"""Who had the CPU while an incident was recorded."""

from __future__ import annotations

from bench.incidents.machine import Machine, Sample


def seconds(*each: tuple[float, float, float]) -> Machine:
    """Two cores, one sample a second; each second: CPU seconds of all, of the lab, and waiting for the disk."""
    samples = [Sample(100.0, 0.0, 0.0, 0.0, 0.0, 0.0)]
    for busy, own, waiting in each:
        last = samples[-1]
        samples.append(
            Sample(
                last.at + 1,
                last.busy + busy,
                last.stolen,
                last.waiting + waiting,
                last.total + 2,
                (last.own or 0.0) + own,
            )
        )
    return Machine(samples)


def test_what_others_use_of_an_idle_machine_is_not_taken() -> None:
    found = seconds((1.0, 0.4, 0.0), (1.0, 0.4, 0.0)).between(100, 102)
    assert (found["busy"], found["lab"], found["others"], found["taken"]) == (0.5, 0.4 / 2, 0.3, 0.0)


def test_what_others_use_of_a_full_machine_is_taken() -> None:
    found = seconds((2.0, 1.6, 0.0), (2.0, 2.0, 0.0), (0.5, 0.5, 1.0), (0.5, 0.5, 0.0)).between(100, 104)
    assert (found["others"], found["taken"], found["waiting_for_disk"]) == (0.05, 0.05, 0.125)


def test_seconds_outside_of_the_recording_do_not_count() -> None:
    found = seconds((2.0, 0.0, 0.0), *[(1.0, 1.0, 0.0)] * 5).between(102.5, 105)
    assert found["others"] == 0.0


def test_without_a_control_group_the_others_are_unknown() -> None:
    machine = Machine([Sample(at, at, 0.0, 0.0, at * 2, None) for at in (1.0, 2.0, 3.0)])
    found = machine.between(1, 3)
    assert (found["busy"], found["lab"], found["others"], found["taken"]) == (0.5, None, None, None)
