"""What a call's model is offered: the agent's own tools, its servers', and the end of the call."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import httpx

from services.orchestrator.agent import Agent
from services.orchestrator.tools.base import END_CALL_TOOL, Tool
from services.orchestrator.tools.mcp_servers import McpServers
from services.orchestrator.tools.webhook import webhook_tool

log = logging.getLogger(__name__)

MAX_OFFERED = 64
"""More the language model service refuses (`PARLEY_LLM_MAX_TOOLS`), and with them every answer."""


def offered(agent: Agent, http: httpx.AsyncClient, servers: McpServers, client_tools: Iterable[str]) -> dict[str, Tool]:
    """Return an agent's tools by name. `client_tools`: names of those that the caller brings.

    Of what its servers offer, a name that is taken and what is one too many are left out, which is logged.
    """
    found = {tool.name: tool for tool in (END_CALL_TOOL, *(webhook_tool(tool, http) for tool in agent.tools))}
    taken = {*found, *client_tools}
    for tool in servers.tools_of(agent):
        if tool.name in taken or len(taken) >= MAX_OFFERED:
            reason = "the name is taken" if tool.name in taken else f"there are {MAX_OFFERED} already"
            log.warning("tool left out", extra={"agent": agent.name, "tool": tool.name, "reason": reason})
            continue
        taken.add(tool.name)
        found[tool.name] = tool
    return found
