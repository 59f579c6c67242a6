// Ollama's POST /api/chat (docs/providers.md, "Ollama"). What is said here although it looks like a
// default (stream, think, truncate, shift, num_ctx) keeps Ollama from cutting a memory or a reply silently.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "http/url.hpp"
#include "model/chat_body.hpp"

namespace memoir::model {

namespace {

using nlohmann::json;

// Another num_ctx reloads the model, so requests get one of few sizes. This one holds our prompt, a memory of
// some pages and the default output budget.
constexpr int least_context = 8'192;
constexpr std::size_t margin_tokens = 128;  // the chat template around the messages
constexpr int most_doublings = 6;

// Small models write lists without an end; nobody finds so many facts in one memory, and each takes more than
// 32 tokens as JSON.
int most_items(int budget) {
    return std::max(8, budget / 32);
}

void limit_lists(json& schema, int items) {
    if (schema.is_object() && schema.value("type", json()) == "array") schema["maxItems"] = items;
    for (auto& part : schema)
        if (part.is_structured()) limit_lists(part, items);
}

class OllamaChat : public ChatProvider {
  public:
    explicit OllamaChat(ProviderOptions options) : options_(std::move(options)) {}

    std::string_view name() const override { return "ollama"; }

    http::Request build(const ChatRequest& request, const Form& form) const override {
        return build(request, form, options_.max_output_tokens);
    }

    // With the usual num_ctx: another one would unload and load the model.
    http::Request probe(const Form& form) const override {
        return build(probe_request(), form, std::min(probe_budget, options_.max_output_tokens));
    }

    http::Request build(const ChatRequest& request, const Form& form, int budget) const {
        json body =
            common(form, {{"role", "system"}, {"content", rules(request, form.json == Form::Json::schema)}},
                   request.user);
        if (form.json == Form::Json::schema) {
            auto schema = json::parse(request.schema, nullptr, false);
            limit_lists(schema, most_items(options_.max_output_tokens));
            body["format"] = std::move(schema);
        }
        if (form.json == Form::Json::simpler) body["format"] = "json";
        body["options"] = {{"num_predict", budget},
                           {"num_ctx", context(request, form)},
                           {"temperature", temperature_for(request.attempt)},
                           {"seed", request.attempt}};
        return to_request(body);
    }

    std::optional<Rephrased> rephrase(const ChatRequest& request, const Form& form,
                                      const http::Response& response) const override {
        if (response.status != 400) return std::nullopt;
        const auto error = read_error(response);
        Rephrased next{form, true};
        if (form.think && error.says("does not support thinking")) {
            next.form.think = false;
            return next;
        }
        // Before 0.5 a format was the word "json" and no schema: ChatRequest.format is told to be a string.
        if (form.json != Form::Json::none && (error.says("chatrequest.format") || names_format(error))) {
            next.form.json = simpler(form.json);
            next.form.json_proven = false;
            return next;
        }
        // The estimate was too low; with a token for each byte it cannot be.
        const auto certainly = request.stable.size() + request.user.size() + margin_tokens;
        const bool may_grow =
            options_.num_ctx == 0 && form.context_doublings < most_doublings &&
            static_cast<std::size_t>(context(request, form) - options_.max_output_tokens) < certainly;
        if (exceeds_context(error) && may_grow) {
            ++next.form.context_doublings;
            return next;
        }
        return std::nullopt;
    }

    Reading read(const ChatRequest& request, const Form& form, const http::Response& response,
                 std::chrono::system_clock::time_point now) const override {
        if (response.status != 200) return {{}, failure(response, now)};
        if (is_stream(response)) return {{}, streamed(options_.role)};
        const auto body = parse_body(response);
        const auto& content = member_at(body, "message.content");
        if (!content.is_string()) return {{}, no_answer(response)};
        Reading reading;
        reading.reply.text = content.get<std::string>();
        if (reading.reply.text.empty() && text_at(body, "done_reason") == "stop")
            reading.reply.text = text_at(body, "message.thinking");
        reading.reply.tokens_in = count_at(body, "prompt_eval_count");
        reading.reply.tokens_out = count_at(body, "eval_count");
        const auto why = text_at(body, "done_reason");
        if (why == "stop" && member_at(body, "done") == true) return reading;
        if (why == "load" || why == "unload")
            reading.failure = no_answer(response);
        else if (why != "length")
            // Ollama gives up on a model that repeats itself and then never says that it is done.
            reading.failure.emplace(FailureType::job, "reply cut: the server ended it before it was done");
        else if (reading.reply.tokens_out > 0 && reading.reply.tokens_out < options_.max_output_tokens)
            reading.failure.emplace(FailureType::job, "reply cut at the end of the context of " +
                                                          std::to_string(context(request, form)) + " tokens");
        else
            reading.failure = cut_at_budget(options_.max_output_tokens);
        return reading;
    }

    Quotas quotas(const ChatReply&, const http::Response&,
                  std::chrono::system_clock::time_point) const override {
        return {};  // Ollama sends none
    }

  private:
    json common(const Form& form, json system, const std::string& user) const {
        json messages = json::array();
        if (!system.is_null()) messages.push_back(std::move(system));
        messages.push_back({{"role", "user"}, {"content", user}});
        json body{{"model", options_.model},
                  {"messages", std::move(messages)},
                  {"stream", false},
                  {"truncate", false},
                  {"shift", false}};
        if (form.think) body["think"] = false;
        return body;
    }

    // Three bytes a token is a careful guess for most languages; a second attempt allows for twice as many.
    int context(const ChatRequest& request, const Form& form) const {
        if (options_.num_ctx > 0) return options_.num_ctx;
        const auto bytes = request.stable.size() + request.user.size();
        const auto prompt = bytes * (request.attempt > 1 ? 2 : 1) / 3 + margin_tokens;
        const auto needed = prompt + static_cast<std::size_t>(options_.max_output_tokens);
        int size = least_context;
        while (static_cast<std::size_t>(size) < needed && size < (1 << 24)) size *= 2;
        return size << form.context_doublings;
    }

    // In quotes: alone it is a word like any other.
    static bool names_format(const ErrorBody& error) {
        return error.param == "format" || error.says("'format'") || error.says("`format`") ||
               error.says("\"format\"");
    }

    static bool exceeds_context(const ErrorBody& error) { return error.says("exceeds the context"); }

    Failure failure(const http::Response& response, std::chrono::system_clock::time_point now) const {
        const auto error = read_error(response);
        if (response.status == 413 || (response.status == 400 && exceeds_context(error))) return too_long();
        if (response.status == 400 && error.says("does not support chat")) {
            Failure blocked(FailureType::blocked, "HTTP 400: the model is none for chat");
            blocked.hint = "choose a chat model in " + options_.role + ".model";
            return blocked;
        }
        // These come back for ever, whatever else the server does.
        if (response.status == 500)
            for (const auto* words : {"invalid json schema in format", "invalid format", "no input provided"})
                if (error.says(words))
                    return {FailureType::permanent, "HTTP 500: the server refuses the request's form"};
        auto result = failure_of(response, error, options_.role, now);
        if (response.status == 404 && error.json) result.hint += "; `ollama pull` fetches it";
        // "server busy": its queue is full, which is a rate and no outage.
        if (response.status == 503 && error.says("server busy"))
            return {FailureType::throttled, "HTTP 503: the server's queue is full"};
        return result;
    }

    http::Request to_request(const json& body) const {
        http::Request request;
        request.url = http::join_once(options_.url, "/api/chat");
        request.headers = {{"Content-Type", "application/json"}};
        if (!options_.api_key.empty()) add_key(request, options_.api_key, false);
        request.body = dump_body(body);
        return request;
    }

    ProviderOptions options_;
};

}  // namespace

std::unique_ptr<ChatProvider> make_ollama_chat(ProviderOptions options) {
    return std::make_unique<OllamaChat>(std::move(options));
}

}  // namespace memoir::model
