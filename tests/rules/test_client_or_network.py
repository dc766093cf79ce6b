from slowq.facts import Place
from slowq.rules.client_or_network import ClientOrNetwork
from tests.builders import LOG, case, cleared, empty_log, fired, keys, many, needs, remedy, says, search

BOTH = "client: {p50_s: 6.0, p99_s: 6.1}\nserver: {p50_s: 0.007, p99_s: 0.05}"


def test_time_that_is_missing_on_the_server_is_spent_outside() -> None:
    found = fired(ClientOrNetwork().check(case(facts=BOTH)))
    assert says(found) == "The client measures 6.1 s. Milvus takes 50 ms for the same requests."
    assert [one.cites for one in found.evidence] == [(Place("context.yaml", 1),), (Place("context.yaml", 2),)]
    assert found.summary == "Of the 6.1 s that the client sees, Milvus takes 50 ms; the rest is spent outside."
    assert (found.confidence >= 0.7, found.subject, found.culprits) == (True, "the client or the network", ())


def test_a_slow_log_that_is_empty_bounds_what_milvus_takes() -> None:
    found = fired(ClientOrNetwork().check(empty_log("client: {p50_s: 20.0}", "2.3.5")))
    assert "In 1,000 lines of log no request took 5.0 s." in says(found)
    assert found.evidence[1].cites == (Place(LOG, 1),)
    assert "Milvus takes at most 5.0 s" in found.summary


def test_it_is_not_this_when_the_threshold_hides_what_the_client_complains_of() -> None:
    assert cleared(ClientOrNetwork().check(empty_log("client: {p50_s: 4.0}", "2.3.5")))
    assert fired(ClientOrNetwork().check(empty_log("client: {p50_s: 4.0}", "2.6.10")))


def test_the_access_log_says_what_milvus_takes() -> None:
    fast = many(20, search(60, 0.01, slow=False), every=1)
    found = fired(ClientOrNetwork().check(case(fast, facts="client: {p50_s: 0.8}")))
    assert "Of the requests in the access log Milvus took 10 ms." in says(found)
    assert found.evidence[1].cites[0].path == LOG


def test_slow_requests_in_the_log_speak_against_it() -> None:
    assert fired(ClientOrNetwork().check(case(many(6, search()), facts=BOTH))).confidence < 0.5


def test_a_client_that_waits_as_long_as_milvus_takes_is_clear() -> None:
    assert cleared(ClientOrNetwork().check(case(facts="client: {p50_s: 2.0}\nserver: {p50_s: 1.9}")))


def test_the_advice_fits_the_client() -> None:
    busy = (
        "client: {p50_s: 2.0, cpu_share: 0.99, connection_per_request: true, where: same_host}\nserver: {p50_s: 0.01}"
    )
    found = fired(ClientOrNetwork().check(case(facts=busy)))
    assert keys(found) == ["one_client", "measure_client", "smaller_answers", "several_processes", "upgrade_sdk"]
    assert "The client opens a connection for each request." in says(found)
    assert remedy(found, "one_client").startswith("Create one client")


def test_without_a_figure_of_the_client_the_rule_cannot_judge() -> None:
    assert needs(ClientOrNetwork().check(case(search())))[0] == "what the client measures"


def test_a_described_request_is_no_line_of_an_access_log() -> None:
    facts = "client: {p50_s: 0.1, p99_s: 600}\nrequests: [{kind: query, duration_s: 300}, {kind: search}]"
    assert needs(ClientOrNetwork().check(case(facts=facts)))
