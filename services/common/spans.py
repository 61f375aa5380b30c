"""Every span and attribute that Parley's traces carry, by name: the registry that docs/telemetry.md prints.

Names follow OpenTelemetry's semantic conventions for generative AI (`gen_ai.*`, github.com/open-telemetry/
semantic-conventions-genai; a test holds them to the installed package of names) where they have one; what is Parley's
own is under `parley.`. Nothing that was said is in any of them, except in `*.pii.*`, which is written only where the
caller consented (`StartConversation.consent.transcripts`) and the orchestrator's setting `trace_transcripts` is on.

The budget lines lie end to end, from the caller's last speech sample to the first agent audio received: the name of a
line is a span below `turn.response`, a hop of the turn summary, a value of the metrics' label `line`, and a key of the
latency budget.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the latency budget. It begins where the line before it ends."""

    name: str
    ends: str
    """What ends it."""
    stage: str = ""
    """Whose it is: asr, turn, llm or tts; empty: the orchestrator's own, or the caller's network."""


LINES = (
    Line("capture", "the chunk that holds the caller's last speech sample is complete: audio time, so exact"),
    Line("transit_in", "that chunk arrived at the orchestrator: half the caller's measured round trip"),
    Line("vad_hold", "the turn detector's word that speech stopped arrived", "turn"),
    Line("turn_decision", "its word that the turn is over arrived", "turn"),
    Line("asr_finalization", "the final transcript is known; 0 where it was there before", "asr"),
    Line("commit", "the state machine started the reply"),
    Line("prompt_building", "the request was handed to the model's stream"),
    Line("llm_queue", "the model's server began with it: its own queue time, 0 where its engine does not say", "llm"),
    Line("llm_first_token", "the first text arrived; a tool called before any text is in here too", "llm"),
    Line("phrase_wait", "the first phrase was whole and handed to synthesis"),
    Line("tts_queue", "the synthesis server began with it: its own queue time, 0 where its engine does not say", "tts"),
    Line("tts_first_audio", "its first audio arrived", "tts"),
    Line("min_gap", "the agent's shortest gap was over; absent where the audio came after it"),
    Line("playback_lead", "its first frame was handed to the caller's stream"),
    Line("transit_out", "the frame was received: the other half of the round trip, 0 where nothing is acknowledged"),
)
"""The budget, in order."""
LINE_NAMES = tuple(line.name for line in LINES)
(
    CAPTURE, TRANSIT_IN, VAD_HOLD, TURN_DECISION, ASR_FINALIZATION, COMMIT, PROMPT_BUILDING, LLM_QUEUE,
    LLM_FIRST_TOKEN, PHRASE_WAIT, TTS_QUEUE, TTS_FIRST_AUDIO, MIN_GAP, PLAYBACK_LEAD, TRANSIT_OUT,
) = LINE_NAMES  # fmt: skip

# --- spans ------------------------------------------------------------------------------------------------------------

CONVERSATION = "conversation"
TURN = "turn"
TURN_RESPONSE = "turn.response"
SPECULATION = "speculation"
TOOL_CALL = "tool.call"
BARGE_IN = "barge_in"
BARGE_IN_DETECTION = "detection"
BARGE_IN_CLEAR_SENT = "clear_sent"
BARGE_IN_CLEAR_ACKNOWLEDGED = "clear_acknowledged"
CANCELLATION = "cancellation"
ASR_FINALIZE = "asr.finalize"
TURN_DECIDE = "turn.decide"
LLM_GENERATE = "llm.generate"
TTS_SPEAK = "tts.speak"


DISCARDS = {
    "changed": "the caller said something else",
    "resumed": "the caller went on",
    "unanswered": "the turn ended without an answer to it",
    "context": "the conversation had changed",
    "overdue": "the model was still busy with turns that were over",
    "failed": "a stage failed",
    "call_ended": "so did the call",
}
"""Why an answer to a guess was given up."""


@dataclass(frozen=True, slots=True)
class SpanKind:
    """One kind of span: where it hangs, who makes it, and what it covers."""

    name: str
    parent: str
    """Name of its parent; empty: the caller's span, or none."""
    service: str
    covers: str


SPANS = (
    SpanKind(CONVERSATION, "", "orchestrator", "a call, from its start to its end"),
    SpanKind(TURN, CONVERSATION, "orchestrator", "a turn, from its first speech, typed text or fixed sentence on"),
    SpanKind(TURN_RESPONSE, TURN, "orchestrator", "what the caller waited: the sum of the budget lines below it"),
    *(SpanKind(line.name, TURN_RESPONSE, "orchestrator", f"budget line: until {line.ends}") for line in LINES),
    SpanKind(SPECULATION, TURN, "orchestrator", "work for an answer not yet certain, until it is used or thrown away"),
    SpanKind(TOOL_CALL, TURN, "orchestrator", "one tool call"),
    SpanKind(BARGE_IN, TURN, "orchestrator", "speech over the agent, in the agent's turn, until all of it is silent"),
    SpanKind(BARGE_IN_DETECTION, BARGE_IN, "orchestrator", "from its first sample's arrival to the verdict"),
    SpanKind(BARGE_IN_CLEAR_SENT, BARGE_IN, "orchestrator", "from the verdict until the caller was told to clear"),
    SpanKind(BARGE_IN_CLEAR_ACKNOWLEDGED, BARGE_IN, "orchestrator", "from that until the caller told its position"),
    SpanKind(CANCELLATION, TURN, "orchestrator", "from the order to stop an answer until what was heard is known"),
    SpanKind(ASR_FINALIZE, TURN, "asr", "a finalize, from its request to its answer"),
    SpanKind(TURN_DECIDE, CONVERSATION, "turn", "from the end of speech, as noticed, to the end of the turn"),
    SpanKind(LLM_GENERATE, TURN, "llm", "a generation, from its config to its end"),
    SpanKind(TTS_SPEAK, TURN, "tts", "one phrase"),
)
"""Every span. An engine or a library may add its own below the servers' spans, as vLLM does below `llm.generate`."""

# --- attributes -------------------------------------------------------------------------------------------------------

SESSION_ID = "session.id"
TURN_EPOCH = "parley.turn.epoch"
AGENT = "gen_ai.agent.name"
CONVERSATION_ID = "gen_ai.conversation.id"
OPERATION = "gen_ai.operation.name"
OPERATION_CHAT = "chat"
OPERATION_EXECUTE_TOOL = "execute_tool"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_P = "gen_ai.request.top_p"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
RESPONSE_FIRST_CHUNK_S = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
USAGE_CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_TYPE = "gen_ai.tool.type"
ERROR_TYPE = "error.type"

CALL_RESUMED = "parley.call.resumed"
CALL_END_REASON = "parley.call.end_reason"
CALL_TURNS = "parley.call.turns"
TURN_OUTCOME = "parley.turn.outcome"
TURN_INTERRUPTED = "parley.turn.interrupted"
TURN_TOOL_CALLS = "parley.turn.tool_calls"
TURN_HIDDEN_MS = "parley.turn.hidden_ms"
TURN_LANGUAGE = "parley.turn.language"
RESPONSE_MS = "parley.turn.response_ms"
HOP_CLIENT_MS = "parley.hop.client_ms"
HOP_SERVER_MS = "parley.hop.server_ms"
HOP_QUEUE_MS = "parley.hop.queue_ms"
HOP_ENGINE_MS = "parley.hop.engine_ms"
HOP_NETWORK_MS = "parley.hop.network_ms"
LINE_IS_KNOWN = "parley.line.is_known"
SPECULATION_KIND = "parley.speculation.kind"
SPECULATION_OUTCOME = "parley.speculation.outcome"
SPECULATION_REASON = "parley.speculation.reason"
BARGE_IN_OUTCOME = "parley.barge_in.outcome"
BARGE_IN_PAUSED_MS = "parley.barge_in.paused_ms"
CANCELLATION_CAUSE = "parley.cancellation.cause"
ENGINE = "parley.engine"
MODEL = "parley.model"
AUDIO_MS = "parley.audio_ms"
ASR_CONFIDENCE = "parley.asr.confidence"
DECISION_PROBABILITY = "parley.turn.probability"
DECISION_DELAY_MS = "parley.turn.delay_ms"
DECISION_REASON = "parley.turn.reason"
SPECULATIVE = "parley.llm.speculative"
LLM_ROUTE = "parley.llm.route"
PHRASE_ID = "parley.tts.phrase_id"
PHRASE_CHARS = "parley.tts.chars"
PII_USER_TEXT = "parley.pii.user_text"
PII_AGENT_TEXT = "parley.pii.agent_text"
PII_HEARD_TEXT = "parley.pii.heard_text"

ATTRIBUTES = {
    SESSION_ID: "the call, in every span but the budget's lines",
    TURN_EPOCH: "the turn",
    AGENT: "name of the agent that answers",
    CONVERSATION_ID: "the call again, where GenAI tools look for it",
    OPERATION: f"`{OPERATION_CHAT}` or `{OPERATION_EXECUTE_TOOL}`",
    PROVIDER: "engine of the language model, as in its ENGINES table",
    REQUEST_MODEL: "model that was asked for; absent where none was named",
    REQUEST_TEMPERATURE: "as asked for",
    REQUEST_TOP_P: "as asked for",
    REQUEST_MAX_TOKENS: "as asked for",
    RESPONSE_MODEL: "model that answered",
    RESPONSE_FINISH_REASONS: "why the generation ended",
    RESPONSE_FIRST_CHUNK_S: "seconds from the request to the engine's first output",
    USAGE_INPUT_TOKENS: "tokens of the prompt, where the engine counts them",
    USAGE_OUTPUT_TOKENS: "tokens that were made",
    USAGE_CACHED_TOKENS: "tokens of the prompt that a cache held",
    TOOL_NAME: "the tool",
    TOOL_CALL_ID: "the call of it",
    TOOL_TYPE: "`function` where the caller's software runs it, `extension` where the orchestrator does",
    ERROR_TYPE: "what failed: a stage, or `tool_failed`",
    CALL_RESUMED: "whether an earlier session was resumed",
    CALL_END_REASON: "why the call ended; absent where the caller's stream broke off",
    CALL_TURNS: "answers given",
    TURN_OUTCOME: "as in the turn summary; `answer` for an answer, else what became of speech that was not answered: "
    "`backchannel`, `echo`, `joined` to what followed, `unanswered` (no words, or too late), `call_ended`",
    TURN_INTERRUPTED: "whether the caller interrupted",
    TURN_TOOL_CALLS: "tool calls of the turn",
    TURN_HIDDEN_MS: "of an answer begun on a guess: what of its making lay before the turn was over; else absent",
    TURN_LANGUAGE: "BCP 47 tag of the language the agent spoke; absent where the model decided",
    RESPONSE_MS: "sum of the budget lines",
    HOP_CLIENT_MS: "the exchange that ended the line, measured by the orchestrator",
    HOP_SERVER_MS: "of that, what the server accounts for on its own clock",
    HOP_QUEUE_MS: "of the server's, waiting for a worker, a batch or a lock",
    HOP_ENGINE_MS: "of the server's, inside the engine",
    HOP_NETWORK_MS: "what the orchestrator measured minus what the server accounts for: both ways of the network, and "
    "the two gRPC stacks",
    LINE_IS_KNOWN: "false where the line is an estimate that could not be made, and 0",
    SPECULATION_KIND: "`stream`: a model stream opened early; `reply`: an answer begun before its turn was committed",
    SPECULATION_OUTCOME: "`used` or `discarded`",
    SPECULATION_REASON: "of a discarded answer: " + ", ".join(f"`{told}` ({why})" for told, why in DISCARDS.items()),
    BARGE_IN_OUTCOME: "`interruption`, `backchannel` or `echo` (the agent went on), `reply_ended` before the verdict",
    BARGE_IN_PAUSED_MS: "from the arrival of its first sample until the caller was told to pause",
    CANCELLATION_CAUSE: "`barge_in`, `requested` by the caller's software, `resumed` speech, `replaced` by typed "
    "text, `watchdog`, or `stage_failed`",
    ENGINE: "engine of the stage, as in its ENGINES table",
    MODEL: "model or voice that is loaded",
    AUDIO_MS: "audio that the request was about",
    ASR_CONFIDENCE: "the recogniser's, 0 to 1; absent where it has none",
    DECISION_PROBABILITY: "P(complete) at the decision",
    DECISION_DELAY_MS: "silence that was waited for, in the caller's audio",
    DECISION_REASON: "`complete`, `delay` or `max_delay`",
    SPECULATIVE: "whether the generation was asked for before it was certain to be wanted",
    LLM_ROUTE: "`fast` or `large`: which of the agent's models answers; absent where it has one",
    PHRASE_ID: "number of the phrase in its turn",
    PHRASE_CHARS: "its length",
    PII_USER_TEXT: "what the caller said; only with consent and setting",
    PII_AGENT_TEXT: "what the agent meant to say; only with consent and setting",
    PII_HEARD_TEXT: "what of it was heard; only with consent and setting",
}
"""Every attribute, and what it says."""
