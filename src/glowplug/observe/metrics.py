"""Every metric, named in one place. All live in prometheus-client's default registry."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from glowplug.errors import CAUSES

# From 1 ms (a commit) to a minute (an outage): a factor of about two a step.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

freshness = Histogram(
    "glowplug_freshness_seconds",
    "Event time of an input to the list that names it among its causes, by stage and reason",
    ["stage", "reason"],
    buckets=SECONDS,
)
batch_records = Histogram("glowplug_batch_records", "Records in one batch", ["consumer"], buckets=SIZES)
queue_seconds = Histogram(
    "glowplug_queue_seconds", "Log append time of a record to the start of its batch", ["consumer"], buckets=SECONDS
)
step_seconds = Histogram("glowplug_step_seconds", "A batch's computation", ["consumer"], buckets=SECONDS)
commit_seconds = Histogram("glowplug_commit_seconds", "A batch's transaction", ["consumer"], buckets=SECONDS)
inference_seconds = Histogram("glowplug_inference_seconds", "One forward pass", ["kind"], buckets=SECONDS)
inference_texts = Counter("glowplug_inference_texts_total", "Texts encoded", ["kind"])
inference_saved = Counter("glowplug_inference_saved_total", "Texts whose vector was known already", ["kind"])
records_in = Counter("glowplug_records_in_total", "Records consumed", ["consumer", "topic"])
records_out = Counter("glowplug_records_out_total", "Records committed", ["consumer", "topic"])
dead_letters = Counter("glowplug_dead_letters_total", "Invalid records", ["consumer", "cause"])
stale_inputs = Counter("glowplug_stale_inputs_total", "Repeats and late versions ignored", ["consumer"])
aborts = Counter("glowplug_transaction_aborts_total", "Transactions aborted", ["consumer"])
retries = Counter("glowplug_retries_total", "Batches tried again after a recoverable error", ["consumer"])
lag = Gauge("glowplug_lag_records", "Records between position and end", ["consumer", "topic"])
partitions = Gauge("glowplug_partitions", "Partitions assigned", ["consumer"])
stalls = Counter("glowplug_stalls_total", "Partitions that had lag and did not move", ["consumer"])
index_items = Gauge("glowplug_index_items", "Items that can be recommended")
shard_users = Gauge("glowplug_shard_users", "Users in this instance's shard")
waiting_interactions = Gauge("glowplug_waiting_interactions", "Interactions whose item or user is not known yet")
head = Gauge("glowplug_head_info", "1 for the head that serves, by its fingerprint, or for none", ["head"])
head_switches = Counter("glowplug_head_switches_total", "Heads put in force, or taken out")
heads_refused = Counter(
    "glowplug_heads_refused_total", "Promoted heads that cannot be read or do not fit; what served went on"
)
epoch = Gauge("glowplug_epoch", "Epoch of the priors in force")
profile_seconds = Histogram(
    "glowplug_profile_seconds",
    "Inference of one profile, or of one item's attributes",
    ["consumer"],
    buckets=SECONDS,
)
profile_inferences = Counter("glowplug_profile_inferences_total", "Texts that a profile model read", ["consumer"])
profile_failures = Counter(
    "glowplug_profile_failures_total", "Calls of a profile model that failed as a whole", ["consumer"]
)
profiles_late = Counter(
    "glowplug_profiles_late_total", "Inferences that nobody waited for any more: deleted or updated", ["consumer"]
)
profiles_rejected = Counter(
    "glowplug_profiles_rejected_total",
    "Inputs of which the profile model fails, or says more than fits a record",
    ["consumer"],
)
profiles_saved = Counter(
    "glowplug_profiles_saved_total", "Inputs whose text the model had read before", ["consumer"]
)
unfounded_claims = Counter(
    "glowplug_unfounded_claims_total", "Claims without words in the input, left out", ["consumer"]
)
profiles_pending = Gauge("glowplug_profiles_pending", "Inputs that wait for a profile model", ["consumer"])
profiles_oldest_seconds = Gauge(
    "glowplug_profiles_oldest_seconds", "Age of the input that waits longest for a profile model", ["consumer"]
)
profile_circuit = Gauge(
    "glowplug_profile_circuit", "1 while a profile model that fails is asked only now and then", ["consumer"]
)
profile_model_state = Gauge(
    "glowplug_profile_model_state",
    "1 for the state of the profile model: up, slow (a call does not return), saturated (more comes than is read), "
    "down (calls fail)",
    ["consumer", "state"],
)
remote_seconds = Histogram(
    "glowplug_remote_seconds", "One request to a model server, answered or not", ["server"], buckets=SECONDS
)
remote_requests = Counter(
    "glowplug_remote_requests_total",
    "Requests to a model server: ok, refused (this input), busy (429), failed (5xx, no answer, no sense)",
    ["server", "outcome"],
)
encoder_circuit = Gauge("glowplug_encoder_circuit", "1 while a failing remote encoder is asked only now and then")
generated_tokens = Counter(
    "glowplug_generated_tokens_total",
    "Tokens of answers: chosen by the model or forced by the grammar",
    ["origin"],
)
generating_rows = Gauge("glowplug_generating_rows", "Texts that the language model answers at this moment")
store_writes = Counter("glowplug_store_writes_total", "Values written to Redis", ["outcome"])
visible_seconds = Histogram(
    "glowplug_visible_seconds", "Event time of the input to its visibility in Redis", ["kind"], buckets=SECONDS
)


PROFILE_COUNTERS = (
    profile_inferences,
    profile_failures,
    profiles_late,
    profiles_rejected,
    profiles_saved,
    unfounded_claims,
)


def start_at_zero(consumer: str) -> None:
    """Counters of faults exist before the first fault: an alert on a rate needs the zero before it."""
    for counter in (aborts, retries, stalls, stale_inputs):
        counter.labels(consumer)
    for cause in CAUSES:
        dead_letters.labels(consumer, cause)


def start_profiles_at_zero(consumer: str) -> None:
    """Likewise, of a consumer that has a profile model."""
    for counter in PROFILE_COUNTERS:
        counter.labels(consumer)
