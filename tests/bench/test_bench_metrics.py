from bench.metrics import repeated


def test_counters_go_on_from_round_to_round_and_gauges_come_again() -> None:
    times = [100.0, 102.0, 104.0]
    counter = {
        "metric": {"__name__": "a_count"},
        "values": [(at, str(v)) for at, v in zip(times, (5, 6, 9), strict=True)],
    }
    gauge = {"metric": {"__name__": "a"}, "values": [(at, str(v)) for at, v in zip(times, (1, 2, 1), strict=True)]}
    made = repeated({"start": 100.0, "end": 104.0, "step": 2.0, "series": [counter, gauge]}, 10.0)
    counted, measured = ([(at, float(value)) for at, value in one["values"]] for one in made["series"])
    assert counted == [(100.0, 5.0), (102.0, 6.0), (104.0, 9.0), (106.0, 9.0), (108.0, 10.0), (110.0, 13.0)]
    assert [value for _, value in measured] == [1.0, 2.0, 1.0] * 2
