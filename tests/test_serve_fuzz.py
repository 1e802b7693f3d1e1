"""Requests that schemathesis derives from the server's own description are answered as it says, and none crashes it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from server import serving

QUESTIONS = [("/languages", "GET"), ("/frontend/settings", "GET"), ("/health", "GET"), ("/metrics", "GET")]
FILE = ("/download_file/{key}", "GET")
WITH_FIELDS = [("/translate", "POST"), ("/detect", "POST"), ("/v1/translate", "POST"), ("/translate_file", "POST")]
VALID, INVALID = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


@pytest.fixture(scope="module")
def description(run_folder):
    with serving(run_folder, "--max-characters", 200) as (address, process):
        refusals = {"expected-statuses": ["4xx", "5xx"]}  # 413, too: a wrong request may be too long besides
        config = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": refusals}})
        yield schemathesis.openapi.from_url(f"{address}/openapi.json", config=config)
        assert process.poll() is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operation", "mode"),
    [*((one, VALID) for one in (*QUESTIONS, FILE)), *((one, mode) for one in WITH_FIELDS for mode in (VALID, INVALID))],
)
def test_requests_are_answered_as_described(description, operation, mode):
    path, method = operation

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(case=description[path][method].as_strategy(generation_mode=mode))
    def check(case):  # the description does not say which languages there are, so valid requests may be refused
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    check()


@pytest.mark.slow
def test_every_operation_is_tested(description):
    found = {(one.ok().path, one.ok().method.upper()) for one in description.get_all_operations()}
    assert found == {*QUESTIONS, *WITH_FIELDS, FILE}
