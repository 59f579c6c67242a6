#pragma once
// A chat model of one role ([extraction], [relational]): a prompt and a schema in, the text of a reply out.
// Three providers (ollama, openai and compatible, anthropic) behind one interface; what a server refuses
// about the form of a request is sent differently at once, and remembered for the endpoint.
//
// Every call goes through the role's Endpoint: permits, rate limits, breaker, charging. A reply that was cut
// (output budget, context) is Failure(job), one that was refused or a memory that is too long is
// Failure(permanent). Each exchange is an event memoir.llm.call with provider, model, tokens, duration and
// status; never a prompt or a reply. Thread safety: all of it.

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/failure.hpp"
#include "model/options.hpp"

namespace memoir::endpoint {
class Endpoint;
}
namespace memoir::http {
class Client;
}
namespace memoir::telemetry {
class Log;
}

namespace memoir::model {

struct ChatRequest {
    std::string stable;       // the rules, the same for every job: first, so that provider caches work
    std::string user;         // what is asked about this memory
    std::string schema_name;  // [A-Za-z0-9_-]{1,64}; the reply's list
    std::string schema;       // JSON schema of the reply; every key required, no bounds and no patterns
    int attempt = 1;          // from the second on something changes, or the same bad reply comes back
};

struct ChatReply {
    std::string text;
    std::int64_t tokens_in = 0, tokens_out = 0;  // 0: the server did not say
    std::int64_t tokens_cached = 0;              // of tokens_in, read from the provider's cache
    Milliseconds duration{0};                    // of the exchange that gave the reply
};

class Chat {
  public:
    virtual ~Chat() = default;
    // Throws Failure. A stop ends it at once with Failure(cancelled).
    virtual ChatReply complete(const ChatRequest& request, std::stop_token stop) = 0;
    virtual endpoint::Endpoint& endpoint() = 0;
    virtual std::string_view provider() const = 0;  // "ollama", "openai", "anthropic": in a fact's metadata
    virtual const std::string& model() const = 0;   // the configured name: in a fact's metadata
    // SHA-256 of everything that decides what the reply says: provider, URL, model, prompt, schema, budget;
    // not the attempt, and not how a server wants the request phrased. Key of the journal of replies.
    virtual std::string identity(const ChatRequest& request) const = 0;
};

// The provider's own where the option is empty (docs/contract.md, "Extraction").
std::string chat_url(const ChatOptions& options);
std::string chat_model(const ChatOptions& options);

// `role` ("extraction", "relational") names the endpoint and the settings in hints. `client` and `log` must
// outlive the result. Throws StartError for an unknown provider.
std::unique_ptr<Chat> make_chat(const ChatOptions& options, const std::string& role, http::Client& client,
                                telemetry::Log& log, const Clock& clock = Clock::real());

}  // namespace memoir::model
