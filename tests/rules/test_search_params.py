from slowq.rules.search_params import SearchParams
from tests.builders import case, cleared, fired, ids, keys, many, needs, query, remedy, says, search

SLOW = many(10, search(60, params={"params": {"ef": 32_000}}), every=5)


def test_an_ef_far_above_top_k_is_to_blame() -> None:
    incident = case(SLOW, search(62))
    found = fired(SearchParams().check(incident))
    assert set(found.culprits) == ids(incident) - set(found.victims)
    assert "10 slow requests ask with ef=32,000 for a top-k of 10" in says(found)
    assert "1 request with lower params is slow only beside them." in says(found)
    assert found.confidence >= 0.8
    assert "64 instead of 32000" in remedy(found, "lower_ef")
    assert '"params": {"ef": 64}' in remedy(found, "lower_ef")


def test_nprobe_is_held_against_nlist_where_that_is_known() -> None:
    facts = """collections: [{name: products, fields: [
        {name: vec, type: FLOAT_VECTOR, index: {type: IVF_FLAT, params: {nlist: 4096}}}]}]"""
    rows = many(10, search(60, params={"params": {"nprobe": 200}}), every=5)
    assert cleared(SearchParams().check(case(rows, facts=facts)))
    assert "32 instead of 200" in remedy(fired(SearchParams().check(case(rows))), "lower_nprobe")


def test_the_advice_is_about_the_param_that_costs_most() -> None:
    other = search(200, 5.0, params={"params": {"nprobe": 128}})
    found = fired(SearchParams().check(case(SLOW, other)))
    assert keys(found) == ["lower_ef", "better_index", "fewer_segments"]
    assert "64 instead of 32000" in remedy(found, "lower_ef")


def test_an_ef_near_top_k_is_in_proportion() -> None:
    assert "in proportion" in cleared(SearchParams().check(case(search(params={"topk": 1000, "params": {"ef": 2000}}))))


def test_it_is_less_likely_where_filtered_searches_are_the_slow_ones() -> None:
    rows = many(10, search(60, params={"params": {"ef": 600}}, filter='meta["a"] == 1'), every=5)
    assert fired(SearchParams().check(case(rows))).confidence < 0.6


def test_few_requests_with_such_params_are_not_the_main_cause() -> None:
    mixed = case(search(60, params={"params": {"ef": 600}}), many(9, search(200), every=20))
    assert fired(SearchParams().check(mixed)).confidence < 0.5


def test_without_search_params_the_rule_cannot_judge() -> None:
    assert needs(SearchParams().check(case(query())))


def test_a_reorder_k_far_above_top_k_is_to_blame() -> None:
    rows = many(10, search(60, params={"params": {"nprobe": 8, "reorder_k": 8_000}}), every=5)
    found = fired(SearchParams().check(case(rows)))
    assert "10 slow requests ask with reorder_k=8,000 for a top-k of 10" in says(found)
    assert "Lower reorder_k (64 instead of 8000)" in remedy(found, "lower_reranked")
    assert "\"params\": {'reorder_k': 64}" in remedy(found, "lower_reranked")
    near = search(params={"topk": 1000, "params": {"reorder_k": 2000}})
    assert cleared(SearchParams().check(case(near)))


def schema(name: str, params: str, kind: str = "IVF_RABITQ") -> str:
    return f"{{name: {name}, fields: [{{name: vec, type: FLOAT_VECTOR, index: {{type: {kind}, params: {params}}}}}]}}"


def test_refine_k_is_judged_where_the_index_is_known_to_refine() -> None:
    rows = many(10, search(60, params={"params": {"refine_k": 100}}), every=5)
    for kind in ("IVF_RABITQ", "HNSW_SQ"):
        facts = f"collections: [{schema('products', '{refine: true}', kind)}]"
        assert "Lower refine_k (2 instead of 100)" in remedy(
            fired(SearchParams().check(case(rows, facts=facts))), "lower_reranked"
        )
    for facts in ("", f"collections: [{schema('products', '{refine: false}')}]"):
        assert cleared(SearchParams().check(case(rows, facts=facts)))


def test_nlist_is_that_of_the_collection_that_the_request_asks() -> None:
    facts = f"collections: [{schema('others', '{nlist: 64}')}, {schema('products', '{nlist: 4096}')}]"
    rows = many(10, search(60, params={"params": {"nprobe": 200}}), every=5)
    assert cleared(SearchParams().check(case(rows, facts=facts)))
    others = many(5, search(60, collection="others", params={"params": {"nprobe": 40}}), every=5)
    found = fired(SearchParams().check(case(rows, others, facts=facts)))
    assert "5 slow requests ask with nprobe=40 for a top-k of 10" in says(found)
    assert "8 instead of 40" in remedy(found, "lower_nprobe")


def test_a_request_that_names_no_collection_is_held_against_the_largest_nlist_of_all() -> None:
    told = "requests: [{kind: search, top_k: 10, search_params: {nprobe: 128}, duration_s: 3}]\n"
    both = f"collections: [{schema('others', '{nlist: 64}')}, {schema('products', '{nlist: 4096}')}]"
    assert cleared(SearchParams().check(case(facts=told + both)))
    assert fired(SearchParams().check(case(facts=told + both.replace("4096", "128"))))


def test_params_that_nothing_is_known_of_are_not_judged() -> None:
    rows = search(60, params={"params": {"level": 5, "itopk_size": 4096, "search_width": 64}})
    assert cleared(SearchParams().check(case(rows)))
