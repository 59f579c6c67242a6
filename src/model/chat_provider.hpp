#pragma once
// The wire of one chat API: how a request is phrased, what an answer means. Pure: no socket, no clock but the
// time handed in, no memory of its own; chat.cpp does the I/O and remembers the Form.
// Thread safety: const, any thread. Errors: values; reasons are text of ours.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/failure.hpp"
#include "endpoint/limiter.hpp"
#include "http/client.hpp"
#include "model/chat.hpp"

namespace memoir::model {

// How a request is phrased. Servers differ in what they take; what one refuses is changed here.
struct Form {
    enum class Json { schema, simpler, none };  // simpler: JSON mode, a forced tool (Anthropic)
    Json json = Json::schema;
    bool json_proven = false;   // a request of this `json` brought JSON: a 400, or prose, has another reason
    bool other_limit = false;   // OpenAI: the other one of max_tokens and max_completion_tokens
    bool temperature = true;    // OpenAI: send one
    bool seed = true;           // OpenAI: send one on a later attempt
    bool think = true;          // Ollama: send think:false
    int context_doublings = 0;  // Ollama: of num_ctx; of one call, not remembered
    friend bool operator==(const Form&, const Form&) = default;
};

// The next simpler way to ask for JSON; `none` stays.
constexpr Form::Json simpler(Form::Json json) {
    return json == Form::Json::schema ? Form::Json::simpler : Form::Json::none;
}

struct Rephrased {
    Form form;
    bool certain = false;  // the server named what it refuses; else remembered only when it then succeeds
};

// What an answer says. Usage is there also where the reply is of no use: it was paid for.
struct Reading {
    ChatReply reply;
    std::optional<Failure> failure;
};

using Quotas = std::vector<std::pair<std::string, endpoint::Quota>>;

class ChatProvider {
  public:
    virtual ~ChatProvider() = default;
    virtual std::string_view name() const = 0;
    // Method, URL, headers and body; time-outs and the CA are the caller's.
    virtual http::Request build(const ChatRequest& request, const Form& form) const = 0;
    // The synthetic request: a fixed word, in the form of the work. Any reply is a success.
    virtual http::Request probe(const Form& form) const = 0;
    // Another form worth sending at once after this answer; nullopt: what it says is final.
    virtual std::optional<Rephrased> rephrase(const ChatRequest& request, const Form& form,
                                              const http::Response& response) const = 0;
    virtual Reading read(const ChatRequest& request, const Form& form, const http::Response& response,
                         std::chrono::system_clock::time_point now) const = 0;
    // The rate limits in the headers of an answer to `request`; `reply` says what it cost.
    virtual Quotas quotas(const ChatReply& reply, const http::Response& response,
                          std::chrono::system_clock::time_point now) const = 0;
};

// What the providers are made from: resolved url and model, and the role that hints name.
struct ProviderOptions {
    std::string role, url, model;
    Secret api_key;
    int max_output_tokens = 4096;
    int num_ctx = 0;
};
std::unique_ptr<ChatProvider> make_ollama_chat(ProviderOptions options);
std::unique_ptr<ChatProvider> make_openai_chat(ProviderOptions options);
std::unique_ptr<ChatProvider> make_anthropic_chat(ProviderOptions options);

}  // namespace memoir::model
