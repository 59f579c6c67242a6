#pragma once
// What model servers and gateways say when they refuse, one row each: the doubles answer with a row, and a
// new dialect is a new row. The bodies are the servers' own; `MEMORY` stands where one repeats what it was
// sent.

#include <span>
#include <string>

#include "support/http_double.hpp"

namespace memoir::test {

enum class Refusal {
    credentials,  // for a human: blocked, and the HINT names the key
    model,        // for a human: blocked, and the HINT names the model
    billing,      // for a human: blocked, and the HINT says billing
    rate,         // throttled
    away,         // outage
    too_long,     // the memory's own
    filtered,     // the memory's own
    parameter,    // of one parameter, in whatever words: sent again without it
    batch,        // of the number of texts
    size,         // of the texts' size together
};

struct Dialect {
    const char* server;
    const char* api;  // "openai", "anthropic", "ollama": of chat and embedding; "tei"
    Refusal refusal;
    int status;
    const char* body;
    const char* parameter = "";  // what Refusal::parameter is about, and a request holds
    std::size_t most = 0;        // what Refusal::batch allows
};

std::span<const Dialect> dialects();
HttpReply said(const Dialect& dialect);

}  // namespace memoir::test
