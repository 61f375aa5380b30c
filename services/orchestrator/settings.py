"""What the orchestrator reads from its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings


class OrchestratorSettings(ServiceSettings):
    """Settings of the orchestrator, prefix PARLEY_ORCHESTRATOR_."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_ORCHESTRATOR_", frozen=True, extra="ignore")

    port: int = Field(50050, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    asr_target: str = Field("127.0.0.1:50051", description="gRPC target of speech recognition.")
    turn_target: str = Field("127.0.0.1:50052", description="gRPC target of turn detection.")
    llm_target: str = Field("127.0.0.1:50053", description="gRPC target of the language model.")
    llm_fast_target: str = Field("", description="gRPC target of agents' fast_model; empty: llm_target has both.")
    tts_target: str = Field("127.0.0.1:50054", description="gRPC target of speech synthesis.")
    agents_dir: Path = Field(Path("agents"), description="Directory of agent files, *.yaml.")
    redis_url: str = Field("", description="Where sessions are kept; empty: in this process, and lost with it.")
    session_ttl_s: int = Field(600, gt=0, description="How long a session without a call can be resumed.")
    max_streams: int = Field(100, gt=0, description="Calls served at once; one more is RESOURCE_EXHAUSTED.")

    stage_ready_ms: int = Field(3_000, gt=0, description="How long a stage may take to accept a stream.")
    stage_grace_ms: int = Field(6_000, gt=0, description="How long a stage may be down before the call gives up.")
    health_interval_ms: int = Field(1_000, gt=0, description="How often each stage's health is asked for.")
    health_deadline_ms: int = Field(1_500, gt=0, description="How long a stage may take to answer about its health.")
    first_token_ms: int = Field(5_000, gt=0, description="How long the language model may take to begin.")
    next_token_ms: int = Field(3_000, gt=0, description="How long the language model may pause.")
    first_audio_ms: int = Field(3_000, gt=0, description="How long synthesis may take to go on.")
    max_tool_rounds: int = Field(5, gt=0, description="How often one turn may call tools and ask the model again.")

    speculation_max_open: int = Field(
        16,
        ge=0,
        description="Answers begun before their turn is certainly over, at a time, in all calls; 0: none.",
    )

    filler_after_ms: int = Field(400, gt=0, description="Silence while a tool runs, after which a filler is said.")
    filler_every_ms: int = Field(
        4_000,
        gt=0,
        le=15_000,
        description="Silence before the second filler; each further one is half as long again.",
    )

    idle_ms: int = Field(20_000, gt=0, description="Silence after which the agent asks whether the caller is there.")
    utterance_ms: int = Field(8_000, gt=0, description="Signs of life an open utterance must give within.")
    transcript_ms: int = Field(1_500, gt=0, description="How long the recogniser may take to finalise.")
    reply_ms: int = Field(6_000, gt=0, description="Progress a reply must make within before it is heard.")
    judgement_ms: int = Field(2_500, gt=0, description="How long speech over the agent may stay undecided.")

    trace_transcripts: bool = Field(
        False, description="Put what is said into traces (`*.pii.*`), for callers that consented to it."
    )

    audio_burst_ms: int = Field(10_000, gt=0, description="Caller audio accepted ahead of real time.")
    max_chunk_ms: int = Field(1_000, gt=0, description="Longest audio chunk accepted from a caller.")
