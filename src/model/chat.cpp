#include "model/chat.hpp"

#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/sha256.hpp"
#include "endpoint/classify.hpp"
#include "endpoint/endpoint.hpp"
#include "http/url.hpp"
#include "model/chat_body.hpp"
#include "model/chat_provider.hpp"
#include "telemetry/log.hpp"

namespace memoir::model {

namespace {

using std::chrono::system_clock;
using telemetry::Level;

// No reply within an output budget comes near it; a server that sends more is not answering us.
constexpr std::size_t max_response_bytes = 4 << 20;
// Every way in which a request can be rephrased, once each, and some doublings of a context.
constexpr int most_exchanges = 12;

// Every schema of ours is an object's; a model that was told of none may write the list alone.
bool holds_json(std::string_view reply) {
    const auto begin = reply.find_first_not_of(" \t\r\n");
    return reply.find('{') != reply.npos || (begin != reply.npos && reply[begin] == '[');
}

// So many refusals stand between two tries with less.
constexpr int tries_apart = 5;
// A weaker form that was only tried is remembered when so many memories needed it: one may be odd.
constexpr std::size_t enough_memories = 3;

// The form that the server is known to take. Two calls that learn different things at once may forget one;
// it is learned again.
class Remembered {
  public:
    // Asking with less is worth a try. Where it did not help one memory, the next few are not asked about
    // twice: either it is theirs, or the server refuses everything.
    bool may_try_less() {
        std::lock_guard lock(mutex_);
        return futile_ == 0 || --futile_ == 0;
    }
    void less_did_not_help() {
        std::lock_guard lock(mutex_);
        futile_ = tries_apart;
    }
    // A request of this kind, or of a stricter one, brought JSON.
    bool works(Form::Json json) const {
        std::lock_guard lock(mutex_);
        return form_.json_proven && form_.json <= json;
    }
    Form get() const {
        std::lock_guard lock(mutex_);
        return form_;
    }
    // The server named what it refuses. True: that is news.
    bool learn(Form form) {
        form.context_doublings = 0;  // one memory's length says nothing about the next one's
        std::lock_guard lock(mutex_);
        return !(std::exchange(form_, form) == form);
    }
    // A reply came: what was only tried so far is known to work, unless something stricter is. Prose proves
    // nothing (a refusal, a cut one), but there is nothing left to try after `none`. True: from now on
    // requests are sent otherwise.
    bool prove(const Form& form, const ChatRequest& request, std::string_view reply) {
        const bool json = holds_json(reply);
        if (!json && form.json != Form::Json::none) return false;
        std::lock_guard lock(mutex_);
        futile_ = 0;
        if (form_.json_proven && form_.json < form.json) return false;
        if (form_.json < form.json) {
            needed_weaker_.insert(std::hash<std::string>()(request.user));
            if (needed_weaker_.size() < enough_memories) return false;
        }
        needed_weaker_.clear();
        const auto before = form_;
        form_.json = form.json;
        form_.json_proven = true;
        form_.temperature = form_.temperature && form.temperature;
        form_.seed = form_.seed && form.seed;
        return !(form_.json == before.json && form_.temperature == before.temperature);
    }

  private:
    mutable std::mutex mutex_;
    Form form_;
    std::set<std::size_t> needed_weaker_;  // memories that brought nothing in the form of now
    int futile_ = 0;                       // memories that are not asked about with less, still to come
};

class HttpChat : public Chat {
  public:
    HttpChat(const ChatOptions& options, const std::string& role, std::unique_ptr<ChatProvider> provider,
             http::Client& client, telemetry::Log& log, const Clock& clock)
        : options_(options),
          role_(role),
          url_(chat_url(options)),
          model_(chat_model(options)),
          provider_(std::move(provider)),
          client_(client),
          log_(log),
          clock_(clock),
          endpoint_(
              {role, options.max_concurrent, role + ".url, " + role + ".api_key_file"},
              [this](endpoint::Nature, std::stop_token stop) { probe(stop); }, log, clock) {}

    ChatReply complete(const ChatRequest& request, std::stop_token stop) override {
        return endpoint_.call_for(endpoint::Nature::read, stop, [&] { return exchange(request, stop); });
    }

    endpoint::Endpoint& endpoint() override { return endpoint_; }
    std::string_view provider() const override { return provider_->name(); }
    const std::string& model() const override { return model_; }

    std::string identity(const ChatRequest& request) const override {
        return sha256(dump_body({{"provider", std::string(provider_->name())},
                                 {"url", url_},
                                 {"model", model_},
                                 {"stable", request.stable},
                                 {"user", request.user},
                                 {"schema", request.schema},
                                 {"max_output_tokens", options_.max_output_tokens}}));
    }

  private:
    // Sends the request in the form that is known to work, and in others as long as the server asks for them.
    ChatReply exchange(const ChatRequest& request, const std::stop_token& stop) {
        auto form = remembered_.get();
        bool trying = false;  // with less than the server is known to take
        for (int round = 1;; ++round) {
            const auto begin = clock_.now();
            const auto response = send(provider_->build(request, form), stop);
            // Others may have learned it meanwhile.
            form.json_proven = remembered_.works(form.json);
            const bool last = round == most_exchanges;
            const auto next = last ? std::nullopt : provider_->rephrase(request, form, response);
            if (next && (next->certain || trying || remembered_.may_try_less())) {
                report(Level::debug, "asked differently", response.status, {}, begin);
                if (next->certain) learn(next->form);
                trying = trying || !next->certain;
                form = next->form;
                continue;
            }
            if (trying && response.status != 200) remembered_.less_did_not_help();
            auto reading = take(request, form, response, begin);
            // Some servers take the parameter that asks for JSON and do nothing with it (Ollama's
            // /v1/messages).
            const bool ignored = !last && response.status == 200 && !reading.failure &&
                                 form.json != Form::Json::none && !form.json_proven &&
                                 !holds_json(reading.reply.text);
            report(response.status == 200 ? Level::info : Level::debug,
                   reading.failure ? reading.failure->reason()
                   : ignored       ? "replied without JSON, asked differently"
                                   : "replied",
                   response.status, reading.reply, begin);
            if (reading.failure) throw *reading.failure;
            if (!ignored) return std::move(reading.reply);
            form.json = simpler(form.json);
        }
    }

    // What the answer says, and what it teaches about the server's limits and the form.
    Reading take(const ChatRequest& request, const Form& form, const http::Response& response,
                 TimePoint begin) {
        auto reading = provider_->read(request, form, response, system_clock::now());
        reading.reply.duration = since(begin);
        for (const auto& [which, quota] : provider_->quotas(reading.reply, response, system_clock::now()))
            endpoint_.observe_quota(which, quota);
        if (response.status == 200) {
            if (remembered_.prove(form, request, reading.reply.text)) tell_learned();
            endpoint_.used_tokens(reading.reply.tokens_in, reading.reply.tokens_out);
        }
        return reading;
    }

    // Rephrased as the work is; only what the server names is remembered of it. A server that refuses one
    // word of ours for what it is refuses every job: that is a setting's fault and no job's.
    void probe(const std::stop_token& stop) {
        auto form = remembered_.get();
        bool trying = false;
        for (int round = 1;; ++round) {
            const auto begin = clock_.now();
            const auto response = send(provider_->probe(form), stop);
            report(Level::debug, "probe", response.status, {}, begin);
            const bool last = response.status == 200 || round >= most_exchanges;
            const auto next = last ? std::nullopt : provider_->rephrase(probe_request(), form, response);
            if (!next || !(next->certain || trying || remembered_.may_try_less())) {
                const auto failure =
                    provider_->read(probe_request(), form, response, system_clock::now()).failure;
                // Cut, empty or declined, a reply is one.
                if (response.status == 200 && (!failure || failure->type() != FailureType::ambiguous)) return;
                // So does a model that reasons first say that its reply is cut.
                if (read_error(response).says("model output limit was reached")) return;
                throw with_hint(*failure);
            }
            if (next->certain) learn(next->form);
            trying = trying || !next->certain;
            form = next->form;
        }
    }

    void learn(const Form& form) {
        if (remembered_.learn(form)) tell_learned();
    }

    // What the server takes, once for the endpoint: every later request is sent so.
    void tell_learned() {
        const auto takes = described(remembered_.get());
        log_.info("memoir.backend.learned", role_ + ": from now on asked " + takes,
                  {{"endpoint", role_}, {"model", model_}, {"takes", takes}});
    }

    Failure with_hint(Failure failure) const {
        if (failure.type() == FailureType::permanent)
            failure.hint = "the server refuses even one word: check " + role_ + ".url, " + role_ +
                           ".model and " + role_ + ".max_output_tokens";
        return failure;
    }

    http::Response send(http::Request request, const std::stop_token& stop) {
        request.ca_file = options_.ca_file;
        request.timeout = options_.timeout;
        request.silence_timeout = options_.silence_timeout;
        request.max_response_bytes = max_response_bytes;
        const auto begin = clock_.now();
        try {
            return as_its_error(client_.send(request, stop));
        } catch (const http::TransportFailure& failure) {
            report(Level::debug, http::to_string(failure.error()), 0, {}, begin);
            throw;
        }
    }

    Milliseconds since(TimePoint begin) const {
        return std::chrono::duration_cast<Milliseconds>(clock_.now() - begin);
    }

    void report(Level level, std::string_view outcome, int status, const ChatReply& reply, TimePoint begin) {
        if (!log_.wants(level)) return;
        log_.emit({level,
                   "memoir.llm.call",
                   role_ + " model called: " + std::string(outcome),
                   {{"endpoint", role_},
                    {"provider", std::string(provider_->name())},
                    {"model", model_},
                    {"outcome", std::string(outcome)},
                    {"http_status", std::int64_t{status}},
                    {"tokens_in", reply.tokens_in},
                    {"tokens_out", reply.tokens_out},
                    {"tokens_cached", reply.tokens_cached},
                    {"duration_ms", std::int64_t{since(begin).count()}}}});
    }

    const ChatOptions options_;
    const std::string role_, url_, model_;
    const std::unique_ptr<ChatProvider> provider_;
    http::Client& client_;
    telemetry::Log& log_;
    const Clock& clock_;
    Remembered remembered_;
    endpoint::Endpoint endpoint_;  // last: its probe uses the others
};

}  // namespace

std::string chat_url(const ChatOptions& options) {
    if (!options.url.empty()) return options.url;
    if (options.provider == "openai") return "https://api.openai.com/v1";
    if (options.provider == "anthropic") return "https://api.anthropic.com/v1";
    return "http://localhost:11434";
}

std::string chat_model(const ChatOptions& options) {
    if (!options.model.empty()) return options.model;
    if (options.provider == "openai") return "gpt-4o-mini";
    if (options.provider == "anthropic") return "claude-haiku-4-5";
    return "llama3.2:1b";
}

std::unique_ptr<Chat> make_chat(const ChatOptions& options, const std::string& role, http::Client& client,
                                telemetry::Log& log, const Clock& clock) {
    const ProviderOptions wire{
        role,           chat_url(options), chat_model(options), options.api_key, options.max_output_tokens,
        options.num_ctx};
    std::unique_ptr<ChatProvider> provider;
    if (options.provider == "ollama") provider = make_ollama_chat(wire);
    if (options.provider == "openai") provider = make_openai_chat(wire);
    if (options.provider == "anthropic") provider = make_anthropic_chat(wire);
    if (!provider)
        throw StartError("unknown chat provider in " + role + ".provider", "ollama, openai or anthropic");
    const auto url = http::parse_url(wire.url);
    if (!url)
        throw StartError(role + ".url is no http:// or https:// URL",
                         "write it as in http://localhost:11434 or https://api.openai.com/v1");
    log.info("memoir.llm.configured", role + " uses " + wire.model + " at " + url->authority(),
             {{"endpoint", role},
              {"provider", std::string(provider->name())},
              {"model", wire.model},
              {"url", url->scheme + "://" + url->authority()}});
    return std::make_unique<HttpChat>(options, role, std::move(provider), client, log, clock);
}

}  // namespace memoir::model
