// The three chat APIs as pure functions: what is sent, and what answers mean.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "model/chat_body.hpp"
#include "model/chat_provider.hpp"

using namespace memoir;
using namespace memoir::model;
using nlohmann::json;

namespace {

const std::string schema = R"({"type":"object","additionalProperties":false,"required":["facts"],
    "properties":{"facts":{"type":"array","items":{"type":"string"}}}})";

ChatRequest request_of(std::string user = "memory", int attempt = 1) {
    return {"rules in JSON", std::move(user), "facts", schema, attempt};
}

ProviderOptions options_of(std::string url, std::string model = "m") {
    return {"extraction", std::move(url), std::move(model), Secret("key-1"), 100, 0};
}

json body_of(const http::Request& request) {
    return json::parse(request.body);
}

http::Response response_of(int status, std::string body,
                           std::vector<std::pair<std::string, std::string>> headers = {}) {
    return {status, std::move(headers), std::move(body)};
}

struct Expected {
    int status;
    std::string body;
    FailureType type;
    std::string hint;  // a piece of it
    std::vector<std::pair<std::string, std::string>> headers{};
};

void check_failures(const ChatProvider& provider, const std::vector<Expected>& table) {
    for (const auto& [status, body, type, hint, headers] : table) {
        INFO(status << " " << body.substr(0, 120));
        const auto reading = provider.read(request_of(), {}, response_of(status, body, headers),
                                           std::chrono::system_clock::now());
        REQUIRE(reading.failure);
        CHECK(to_string(reading.failure->type()) == to_string(type));
        CHECK(reading.failure->hint.find(hint) != std::string::npos);
        CHECK(reading.failure->reason().find("SECRET") == std::string::npos);
        CHECK(reading.failure->hint.find("SECRET") == std::string::npos);
        if (type == FailureType::throttled && !headers.empty()) CHECK(reading.failure->retry_after);
    }
}

std::optional<Rephrased> rephrased(const ChatProvider& provider, const Form& form, int status,
                                   const std::string& body) {
    return provider.rephrase(request_of(), form, response_of(status, body));
}

Reading read(const ChatProvider& provider, const json& body) {
    return provider.read(request_of(), {}, response_of(200, body.dump()), std::chrono::system_clock::now());
}

json ollama_reply(const json& changes = {}) {
    json reply{{"message", {{"role", "assistant"}, {"content", "{\"facts\":[]}"}, {"thinking", "hm"}}},
               {"done", true},
               {"done_reason", "stop"},
               {"prompt_eval_count", 12},
               {"eval_count", 7}};
    if (!changes.is_null()) reply.merge_patch(changes);
    return reply;
}

json openai_reply(const json& message, const json& finish = "stop") {
    json choice{{"message", message}, {"finish_reason", finish}};
    return {{"choices", json::array({choice})},
            {"usage",
             {{"prompt_tokens", 12},
              {"completion_tokens", 7},
              {"prompt_tokens_details", {{"cached_tokens", 3}}}}}};
}

json anthropic_reply(const json& blocks, const json& stop = "end_turn") {
    return {{"content", blocks},
            {"stop_reason", stop},
            {"usage",
             {{"input_tokens", 10},
              {"output_tokens", 7},
              {"cache_creation_input_tokens", 4},
              {"cache_read_input_tokens", 5}}}};
}

json text_block(const std::string& text) {
    return {{"type", "text"}, {"text", text}};
}

json openai_error(const json& error) {
    return {{"error", error}};
}

}  // namespace

TEST_CASE("the schema stands in the rules where no parameter carries it") {
    const auto rules_of = [](const ChatProvider& provider, Form::Json form) {
        const auto body = body_of(provider.build(request_of(), {form}));
        return body.contains("system") ? body["system"][0]["text"].get<std::string>()
                                       : body["messages"][0]["content"].get<std::string>();
    };
    const auto with_schema = [&](const ChatProvider& provider, Form::Json form) {
        const auto rules = rules_of(provider, form);
        CHECK(rules.starts_with("rules in JSON"));  // first what never changes: providers cache it
        return rules.find(schema) != rules.npos;
    };
    for (const auto make : {make_ollama_chat, make_openai_chat}) {
        const auto provider = make(options_of("http://host"));
        CHECK_FALSE(with_schema(*provider, Form::Json::schema));
        CHECK(with_schema(*provider, Form::Json::simpler));
        CHECK(with_schema(*provider, Form::Json::none));
    }
    const auto anthropic = make_anthropic_chat(options_of("http://host"));
    CHECK_FALSE(with_schema(*anthropic, Form::Json::schema));
    CHECK_FALSE(with_schema(*anthropic, Form::Json::simpler));
    CHECK(with_schema(*anthropic, Form::Json::none));
}

TEST_CASE("two attempts of a job never send the same request") {
    Form refused;  // what a server may refuse that would have made the difference
    refused.temperature = refused.seed = false;
    for (const auto make : {make_ollama_chat, make_openai_chat, make_anthropic_chat})
        for (const auto& form : {Form(), refused}) {
            const auto provider = make(options_of("http://host"));
            std::set<std::string> bodies;
            for (int attempt = 1; attempt <= 3; ++attempt)
                bodies.insert(provider->build(request_of("memory", attempt), form).body);
            CHECK(bodies.size() == 3);
        }
}

TEST_CASE("a prompt that a server cut to its context without a word is no success") {
    const auto reading = [](const std::string& provider, const std::string& url, int tokens) {
        // Cut, too: the cause is what helps.
        json reply = provider == "openai"
                         ? openai_reply({{"content", "{"}}, tokens == 4'096 ? "length" : "stop")
                         : anthropic_reply(json::array({text_block("{")}));
        reply["usage"] = {{"prompt_tokens", tokens}, {"input_tokens", tokens}};
        const auto make = provider == "openai" ? make_openai_chat : make_anthropic_chat;
        return read(*make(options_of(url)), reply).failure;
    };
    for (const std::string provider : {"openai", "anthropic"}) {
        for (const int context : {2'048, 4'096, 10'000, 131'072}) {
            const auto failure = reading(provider, "http://localhost:11434/v1", context);
            REQUIRE(failure);
            CHECK(failure->type() == FailureType::job);
            CHECK(failure->reason() ==
                  "the server seems to have cut the prompt to " + std::to_string(context) + " tokens");
            CHECK(failure->hint.find("extraction.provider = \"ollama\"") != std::string::npos);
        }
        for (const int tokens : {0, 512, 4'095, 4'097})
            CHECK_FALSE(reading(provider, "http://localhost:11434/v1", tokens));
        // The APIs themselves refuse instead.
        CHECK_FALSE(reading(provider, "https://api." + provider + ".com/v1", 2'048));
    }
}

// --- Ollama

TEST_CASE("Ollama is told not to cut, not to shift, not to think and not to stream") {
    const auto provider = make_ollama_chat(options_of("http://host:11434/"));
    const auto request = provider->build(request_of(), {});
    CHECK(request.url == "http://host:11434/api/chat");
    const auto body = body_of(request);
    for (const auto* key : {"truncate", "shift", "think", "stream"}) CHECK(body[key] == false);
    CHECK(body["messages"][0]["role"] == "system");
    CHECK(body["messages"][0]["content"] == "rules in JSON");
    CHECK(body["messages"][1]["content"] == "memory");
    CHECK(body["options"]["num_predict"] == 100);
    CHECK(body["format"]["properties"]["facts"]["maxItems"].get<int>() >= 8);
}

TEST_CASE("Ollama's context has room for prompt and output, in few sizes") {
    auto options = options_of("http://host:11434");
    options.max_output_tokens = 4096;
    const auto context = [&](std::size_t bytes, int attempt = 1, Form form = {}) {
        return body_of(make_ollama_chat(options)->build(request_of(std::string(bytes, 'x'), attempt),
                                                        form))["options"]["num_ctx"]
            .get<int>();
    };
    CHECK(context(10) == 8192);
    CHECK(context(11'000) == 8192);
    CHECK(context(20'000) == 16384);
    CHECK(context(20'000, 2) == 32768);
    CHECK(context(100'000) == 65536);
    Form doubled;
    doubled.context_doublings = 1;
    CHECK(context(10, 1, doubled) == 16384);
    SECTION("and the probe asks for the usual one, so that the model stays loaded") {
        const auto probe = body_of(make_ollama_chat(options)->probe({}))["options"];
        CHECK(probe["num_ctx"] == 8192);
        CHECK(probe["num_predict"] == 16);
    }
    SECTION("a configured one is kept") {
        options.num_ctx = 2048;
        CHECK(context(100'000) == 2048);
    }
}

TEST_CASE("Ollama's second attempt has another seed and some temperature") {
    const auto provider = make_ollama_chat(options_of("http://host:11434"));
    const auto first = body_of(provider->build(request_of("m", 1), {}))["options"];
    const auto second = body_of(provider->build(request_of("m", 2), {}))["options"];
    CHECK(first["temperature"] == 0.0);
    CHECK(second["temperature"] == 0.3);
    CHECK(first["seed"] != second["seed"]);
}

TEST_CASE("an Ollama that refuses think is asked without it from then on") {
    const auto provider = make_ollama_chat(options_of("http://host:11434"));
    const auto next = rephrased(*provider, {}, 400, R"({"error":"\"m\" does not support thinking"})");
    REQUIRE(next);
    CHECK(next->certain);
    CHECK_FALSE(body_of(provider->build(request_of(), next->form)).contains("think"));
    CHECK_FALSE(rephrased(*provider, next->form, 400, R"({"error":"\"m\" does not support thinking"})"));
}

TEST_CASE("an Ollama of before schemas is asked for JSON, and for nothing when it refuses that, too") {
    const auto provider = make_ollama_chat(options_of("http://host:11434"));
    const auto refusal =
        R"({"error":"json: cannot unmarshal object into Go struct field ChatRequest.format of type string"})";
    const auto simpler = rephrased(*provider, {}, 400, refusal);
    REQUIRE(simpler);
    CHECK(simpler->certain);
    CHECK(body_of(provider->build(request_of(), simpler->form))["format"] == "json");
    const auto none = rephrased(*provider, simpler->form, 400, R"({"error":"unknown parameter 'format'"})");
    REQUIRE(none);
    CHECK_FALSE(body_of(provider->build(request_of(), none->form)).contains("format"));
    CHECK_FALSE(rephrased(*provider, none->form, 400, refusal));
    CHECK_FALSE(rephrased(*provider, {}, 400, R"({"error":"the format of the message is bad"})"));
}

TEST_CASE("Ollama's context grows while a prompt may still fit, then the memory is too long") {
    const auto provider = make_ollama_chat(options_of("http://host:11434"));
    const std::string refusal = R"({"error":"the input length exceeds the context length"})";
    const auto long_request = request_of(std::string(30'000, 'x'));
    const auto next = provider->rephrase(long_request, {}, response_of(400, refusal));
    REQUIRE(next);
    CHECK(next->form.context_doublings == 1);
    auto form = next->form;
    int doublings = 1;
    while (const auto again = provider->rephrase(long_request, form, response_of(400, refusal))) {
        form = again->form;
        ++doublings;
    }
    CHECK(doublings == 1);  // 16,384 tokens for 30,000 bytes, 32,768 are enough whatever the tokenizer
    const auto reading = provider->read(long_request, form, response_of(400, refusal), {});
    CHECK(reading.failure->type() == FailureType::permanent);
    CHECK(reading.failure->reason() == "too long for the model's context");
    CHECK_FALSE(rephrased(*provider, {}, 400, refusal));  // a short one already had room for every byte
}

TEST_CASE("reads Ollama's reply and its usage") {
    const auto provider = make_ollama_chat(options_of("http://host:11434"));
    const auto reading = read(*provider, ollama_reply());
    CHECK_FALSE(reading.failure);
    CHECK(reading.reply.text == "{\"facts\":[]}");
    CHECK(reading.reply.tokens_in == 12);
    CHECK(reading.reply.tokens_out == 7);
}

TEST_CASE("an Ollama reply that was cut says so, however the server shows it") {
    const auto provider = make_ollama_chat(options_of("http://host:11434"));
    const auto reason = [&](const json& changes) {
        const auto reading = read(*provider, ollama_reply(changes));
        REQUIRE(reading.failure);
        CHECK(reading.failure->type() == FailureType::job);
        CHECK(reading.reply.tokens_in == 12);
        return reading.failure->reason();
    };
    CHECK(reason({{"done_reason", "length"}, {"eval_count", 100}}) ==
          "reply cut at the output budget of 100 tokens");
    CHECK(reason({{"done_reason", "length"}, {"eval_count", 60}}) ==
          "reply cut at the end of the context of 8192 tokens");
    CHECK(reason({{"done", false}, {"done_reason", nullptr}}) ==
          "reply cut: the server ended it before it was done");
    CHECK(reason({{"done", false}}) == "reply cut: the server ended it before it was done");
}

TEST_CASE("what Ollama's failures mean") {
    const auto provider = make_ollama_chat(options_of("http://host:11434"));
    check_failures(
        *provider,
        {{400, R"({"error":"SECRET invalid options"})", FailureType::permanent, ""},
         {400, R"({"error":"\"SECRET\" does not support chat"})", FailureType::blocked, "extraction.model"},
         {401, R"({"error":"unauthorized"})", FailureType::blocked, "extraction.api_key_file"},
         {404, R"({"error":"model 'SECRET' not found"})", FailureType::blocked, "ollama pull"},
         {404, "404 page not found", FailureType::blocked, "extraction.url"},
         {500, R"({"error":"invalid JSON schema in format"})", FailureType::permanent, ""},
         {500, R"({"error":"invalid format: SECRET"})", FailureType::permanent, ""},
         {500, R"({"error":"no input provided"})", FailureType::permanent, ""},
         {500, R"({"error":"model runner has unexpectedly stopped SECRET"})", FailureType::ambiguous, ""},
         {499, R"({"error":"cancelled"})", FailureType::ambiguous, ""},
         {502, R"({"error":"x"})", FailureType::outage, ""},
         {503, R"({"error":"server busy, please try again.  maximum pending requests exceeded"})",
          FailureType::throttled, ""},
         {503, "<html>SECRET</html>", FailureType::outage, ""},
         {200, R"({"error":"SECRET"})", FailureType::ambiguous, ""},
         {200, R"({"message":{"role":"assistant","content":""},"done":true,"done_reason":"load"})",
          FailureType::ambiguous, ""},
         {200, "<html>SECRET</html>", FailureType::ambiguous, ""},
         {200, "", FailureType::ambiguous, ""}});
}

// --- OpenAI

TEST_CASE("OpenAI is asked by a strict schema, with the key as a secret") {
    const auto provider = make_openai_chat(options_of("https://api.openai.com/v1", "gpt-4o-mini"));
    const auto request = provider->build(request_of(), {});
    CHECK(request.url == "https://api.openai.com/v1/chat/completions");
    CHECK(request.secret_header == "Authorization");
    CHECK(request.secret_value.reveal() == "Bearer key-1");
    for (const auto& [name, value] : request.headers) CHECK(value.find("key-1") == std::string::npos);
    const auto body = body_of(request);
    CHECK(body["response_format"]["type"] == "json_schema");
    CHECK(body["response_format"]["json_schema"]["strict"] == true);
    CHECK(body["response_format"]["json_schema"]["name"] == "facts");
    CHECK(body["response_format"]["json_schema"]["schema"] == json::parse(schema));
    CHECK(body["max_completion_tokens"] == 100);
    CHECK_FALSE(body.contains("max_tokens"));
    CHECK(body["temperature"] == 0.0);
    CHECK_FALSE(body.contains("seed"));
    CHECK(body["messages"][0] == json({{"role", "system"}, {"content", "rules in JSON"}}));
    CHECK(body["messages"].size() == 2);
    const auto again = body_of(provider->build(request_of("memory", 2), {}));
    CHECK(again["temperature"] == 0.3);
    CHECK(again["seed"] == 2);
}

TEST_CASE("a base URL is taken with and without /v1, a local server gets max_tokens and no key header") {
    auto options = options_of("http://localhost:8080");
    options.api_key = Secret();
    const auto local = make_openai_chat(options)->build(request_of(), {});
    CHECK(local.url == "http://localhost:8080/v1/chat/completions");
    CHECK(local.secret_header.empty());
    CHECK(body_of(local)["max_tokens"] == 100);
    CHECK(make_openai_chat(options_of("https://x.example/openai/v1/"))->build(request_of(), {}).url ==
          "https://x.example/openai/v1/chat/completions");
}

TEST_CASE("OpenAI's reasoning models are sent no temperature") {
    for (const auto* name : {"o3-mini", "gpt-5", "gpt-6-nano"})
        CHECK_FALSE(
            body_of(make_openai_chat(options_of("https://api.openai.com/v1", name))->build(request_of(), {}))
                .contains("temperature"));
}

TEST_CASE("OpenAI's named parameters are changed once and remembered") {
    const auto provider = make_openai_chat(options_of("http://localhost:8080"));
    const auto limit =
        openai_error({{"message", "Unsupported parameter: 'max_tokens' is not supported with this model."},
                      {"type", "invalid_request_error"},
                      {"param", "max_tokens"},
                      {"code", "unsupported_parameter"}});
    const auto swapped = rephrased(*provider, {}, 400, limit.dump());
    REQUIRE(swapped);
    CHECK(swapped->certain);
    CHECK(body_of(provider->build(request_of(), swapped->form)).contains("max_completion_tokens"));
    CHECK(body_of(provider->probe(swapped->form))["max_completion_tokens"] == 16);

    const auto warm =
        openai_error({{"message", "x"}, {"param", "temperature"}, {"code", "unsupported_value"}});
    const auto cold = rephrased(*provider, {}, 400, warm.dump());
    REQUIRE(cold);
    CHECK(cold->certain);
    CHECK_FALSE(body_of(provider->build(request_of(), cold->form)).contains("temperature"));
    Form proven = cold->form;
    proven.json_proven = true;
    CHECK_FALSE(rephrased(*provider, proven, 400, warm.dump()));

    const auto seedless =
        rephrased(*provider, {}, 422, R"({"detail":[{"loc":["body","seed"],"msg":"extra"}]})");
    REQUIRE(seedless);
    CHECK_FALSE(body_of(provider->build(request_of("m", 2), seedless->form)).contains("seed"));
}

TEST_CASE("an output budget that is refused under both names is a setting to lower") {
    const auto provider = make_openai_chat(options_of("http://localhost:8080"));
    Form form;
    form.other_limit = form.json_proven = true;
    const auto error = openai_error({{"message", "too large"}, {"param", "max_completion_tokens"}});
    CHECK_FALSE(rephrased(*provider, form, 400, error.dump()));
    const auto reading = provider->read(request_of(), form, response_of(400, error.dump()), {});
    CHECK(reading.failure->type() == FailureType::blocked);
    CHECK(reading.failure->hint == "lower extraction.max_output_tokens");
}

TEST_CASE("a context that the output budget fills is a setting to lower, and no memory's fault") {
    const auto provider = make_openai_chat(options_of("http://localhost:8080"));  // with a budget of 100
    const auto failure = [&](int context) {
        const auto message = "This model's maximum context length is " + std::to_string(context) +
                             " tokens. However, you requested 4196 tokens (4096 in the messages, 100 in the "
                             "completion).";
        const auto error = openai_error({{"message", message}, {"param", "max_tokens"}});
        CHECK_FALSE(rephrased(*provider, {}, 400, error.dump()));
        return *provider->read(request_of(), {}, response_of(400, error.dump()), {}).failure;
    };
    CHECK(failure(100).type() == FailureType::blocked);
    CHECK(failure(100).hint == "lower extraction.max_output_tokens");
    CHECK(failure(4096).type() == FailureType::permanent);
}

TEST_CASE("a budget that is too large for the model is not asked for under another name") {
    const auto message = "max_tokens is too large: 8192. This model supports at most 4096 completion tokens";
    const auto openai = make_openai_chat(options_of("http://localhost:8080"));
    auto error = openai_error({{"message", message}, {"param", "max_tokens"}, {"code", "invalid_value"}});
    Form proven;
    proven.json_proven = true;
    CHECK_FALSE(rephrased(*openai, proven, 400, error.dump()));
    CHECK(openai->read(request_of(), proven, response_of(400, error.dump()), {}).failure->hint ==
          "lower extraction.max_output_tokens");

    const auto anthropic = make_anthropic_chat(options_of("https://api.anthropic.com"));
    error = {
        {"error",
         {{"type", "invalid_request_error"},
          {"message", "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens"}}}};
    CHECK_FALSE(rephrased(*anthropic, {}, 400, error.dump()));
    const auto failure = *anthropic->read(request_of(), {}, response_of(400, error.dump()), {}).failure;
    CHECK(failure.type() == FailureType::blocked);
    CHECK(failure.hint == "lower extraction.max_output_tokens");
}

TEST_CASE("one request that is more than the account's limit for a whole period fails its job") {
    const json error{
        {"error",
         {{"code", "rate_limit_exceeded"},
          {"message", "Request too large for m on tokens per min (TPM): Limit 30000, Requested 41000"}}}};
    const auto openai = make_openai_chat(options_of("http://localhost:8080"));
    const auto failure = *openai->read(request_of(), {}, response_of(429, error.dump()), {}).failure;
    CHECK(failure.type() == FailureType::permanent);
    CHECK(failure.reason() == "larger than the account's rate limit");
}

TEST_CASE("a server that knows no json_schema is asked in JSON mode, then without") {
    const auto provider = make_openai_chat(options_of("http://localhost:8080"));
    const auto named =
        R"({"error":{"message":"response_format.type json_schema is unknown","param":"response_format"}})";
    const auto simpler = rephrased(*provider, {}, 400, named);
    REQUIRE(simpler);
    CHECK(simpler->certain);
    CHECK(body_of(provider->build(request_of(), simpler->form))["response_format"] ==
          json({{"type", "json_object"}}));
    const auto none = rephrased(*provider, simpler->form, 400, named);
    REQUIRE(none);
    CHECK_FALSE(body_of(provider->build(request_of(), none->form)).contains("response_format"));
    CHECK_FALSE(rephrased(*provider, none->form, 400, named));
    SECTION("also when it does not say why, but then it is only tried") {
        const auto trial = rephrased(*provider, {}, 422, R"({"detail":"unprocessable"})");
        REQUIRE(trial);
        CHECK_FALSE(trial->certain);
        CHECK(trial->form.json == Form::Json::simpler);
    }
    SECTION("but not once a schema has worked there") {
        Form proven;
        proven.json_proven = true;
        CHECK_FALSE(rephrased(*provider, proven, 400, R"({"error":"bad request"})"));
    }
    SECTION("nor when the reason is another one") {
        for (const auto* body :
             {R"({"error":{"code":"context_length_exceeded","message":"x"}})",
              R"({"error":{"message":"This model's maximum context length is 8192 tokens"}})",
              R"({"error":{"code":"content_filter","message":"x"}})"})
            CHECK_FALSE(rephrased(*provider, {}, 400, body));
        CHECK_FALSE(rephrased(*provider, {}, 401, named));
    }
}

TEST_CASE("reads OpenAI's reply, its usage and its odd forms") {
    const auto provider = make_openai_chat(options_of("http://localhost:8080"));
    const auto reading =
        read(*provider, openai_reply({{"content", "text"}, {"refusal", nullptr}, {"reasoning", "hm"}}));
    CHECK_FALSE(reading.failure);
    CHECK(reading.reply.text == "text");
    CHECK(reading.reply.tokens_in == 12);
    CHECK(reading.reply.tokens_out == 7);
    CHECK(reading.reply.tokens_cached == 3);
    CHECK(read(*provider, openai_reply({{"content", json::array({text_block("a"), text_block("b")})}}))
              .reply.text == "ab");
    CHECK_FALSE(read(*provider, openai_reply({{"content", "text"}}, nullptr)).failure);
    CHECK_FALSE(read(*provider, {{"choices", json::array({{{"message", {{"content", "text"}}}}})}}).failure);
}

TEST_CASE("an OpenAI reply that is cut, refused, filtered or empty is a failure in a 200") {
    const auto provider = make_openai_chat(options_of("http://localhost:8080"));
    const auto failure = [&](const json& message, const json& finish) {
        const auto reading = read(*provider, openai_reply(message, finish));
        REQUIRE(reading.failure);
        return std::string(to_string(reading.failure->type())) + ": " + reading.failure->reason();
    };
    CHECK(failure({{"content", "{\"fa"}}, "length") == "job: reply cut at the output budget of 100 tokens");
    CHECK(failure({{"content", nullptr}}, "length") == "job: reply cut at the output budget of 100 tokens");
    CHECK(failure({{"content", nullptr}, {"refusal", "I SECRET"}}, "stop") ==
          "permanent: refused by the model");
    CHECK(failure({{"content", ""}}, "content_filter") == "permanent: refused by the model");
    CHECK(failure({{"content", nullptr}}, "stop") == "job: reply without content");
}

TEST_CASE("what OpenAI's failures mean") {
    const auto provider = make_openai_chat(options_of("http://localhost:8080"));
    const std::vector<std::pair<std::string, std::string>> wait{{"retry-after", "2"}};
    check_failures(
        *provider,
        {{400, R"({"error":{"message":"SECRET","code":null,"param":"messages"}})", FailureType::permanent,
          ""},
         {400, R"({"error":{"message":"SECRET","code":"context_length_exceeded"}})", FailureType::permanent,
          ""},
         {400, R"({"object":"error","message":"maximum context length is SECRET","code":400})",
          FailureType::permanent, ""},
         {400, R"({"error":{"code":"content_filter","message":"SECRET"}})", FailureType::permanent, ""},
         {413, "", FailureType::permanent, ""},
         {401, R"({"error":{"message":"Incorrect API key SECRET","code":"invalid_api_key"}})",
          FailureType::blocked, "extraction.api_key_file"},
         {403, R"({"error":{"message":"country"}})", FailureType::blocked, "extraction.api_key_file"},
         {404, R"({"error":{"code":"model_not_found"}})", FailureType::blocked, "extraction.model"},
         {404, "<html>", FailureType::blocked, "extraction.url"},
         {402, R"({"error":{"message":"SECRET"}})", FailureType::blocked, "billing"},
         {429, R"({"error":{"type":"insufficient_quota","code":null,"message":"SECRET"}})",
          FailureType::blocked, "billing"},
         {429, R"({"error":{"type":"x","code":"insufficient_quota"}})", FailureType::blocked, "billing",
          wait},
         {429, R"({"error":{"code":"rate_limit_exceeded"}})", FailureType::throttled, "", wait},
         {429, "<html>slow down</html>", FailureType::throttled, "", {{"retry-after-ms", "1500"}}},
         {429, "", FailureType::throttled, ""},
         {503, R"({"error":{"message":"Slow Down"}})", FailureType::throttled, "", wait},
         {503, "", FailureType::outage, ""},
         {502, "<html>SECRET", FailureType::outage, ""},
         {500, R"({"error":{"message":"SECRET"}})", FailureType::ambiguous, ""},
         {408, "", FailureType::ambiguous, ""},
         {409, "", FailureType::job, ""},
         {301, "", FailureType::blocked, "extraction.url"},
         {200, R"({"choices":[]})", FailureType::ambiguous, ""},
         {200, R"({"choices":[{"text":"old API"}]})", FailureType::ambiguous, ""},
         {200, R"([1])", FailureType::ambiguous, ""},
         {200, "data: {}\n\n", FailureType::blocked, ""}});
}

// --- Anthropic

TEST_CASE("Anthropic is sent a cacheable stable part, a schema and no sampling parameter") {
    const auto provider = make_anthropic_chat(options_of("https://api.anthropic.com"));
    for (const int attempt : {1, 2}) {
        const auto request = provider->build(request_of("memory", attempt), {});
        CHECK(request.url == "https://api.anthropic.com/v1/messages");
        CHECK(request.secret_header == "x-api-key");
        CHECK(request.secret_value.reveal() == "key-1");
        CHECK(std::count(request.headers.begin(), request.headers.end(),
                         std::pair<std::string, std::string>("anthropic-version", "2023-06-01")) == 1);
        const auto body = body_of(request);
        for (const auto* key : {"temperature", "top_p", "top_k", "seed"}) CHECK_FALSE(body.contains(key));
        CHECK(body["system"] == json::array({{{"type", "text"},
                                              {"text", "rules in JSON"},
                                              {"cache_control", {{"type", "ephemeral"}}}}}));
        CHECK(body["max_tokens"] == 100);
        REQUIRE(body["messages"].size() == 1);
        CHECK(body["messages"][0]["role"] == "user");
        CHECK(body["messages"][0]["content"].get<std::string>().starts_with("memory"));
        CHECK(body["output_config"]["format"]["type"] == "json_schema");
        CHECK(body["output_config"]["format"]["schema"] == json::parse(schema));
    }
    CHECK(body_of(provider->probe({}))["max_tokens"] == 16);
}

TEST_CASE("an Anthropic model without output_config is made to use a tool") {
    const auto provider = make_anthropic_chat(options_of("https://api.anthropic.com/v1"));
    const auto refusal =
        R"({"type":"error","error":{"type":"invalid_request_error","message":"output_config: Extra inputs are not permitted"}})";
    const auto next = rephrased(*provider, {}, 400, refusal);
    REQUIRE(next);
    CHECK(next->certain);
    const auto body = body_of(provider->build(request_of(), next->form));
    CHECK_FALSE(body.contains("output_config"));
    CHECK(body["tools"][0]["name"] == "facts");
    CHECK(body["tools"][0]["input_schema"] == json::parse(schema));
    CHECK(body["tool_choice"] == json({{"type", "tool"}, {"name", "facts"}}));
    const json call{{"type", "tool_use"}, {"name", "facts"}, {"input", {{"facts", json::array()}}}};
    const auto reading =
        read(*provider, anthropic_reply(json::array({text_block("Here:"), call}), "tool_use"));
    CHECK_FALSE(reading.failure);
    CHECK(reading.reply.text == R"({"facts":[]})");
    SECTION("an unnamed 400 is only tried, and not when the words tell the reason") {
        const auto vague = R"({"type":"error","error":{"type":"invalid_request_error","message":"bad"}})";
        CHECK_FALSE(rephrased(*provider, {}, 400, vague)->certain);
        Form proven;
        proven.json_proven = true;
        CHECK_FALSE(rephrased(*provider, proven, 400, vague));
        for (const auto* message :
             {"Your credit balance is too low", "You have reached your specified spend limit",
              "prompt is too long: 210000 tokens"})
            CHECK_FALSE(
                rephrased(*provider, {}, 400,
                          json{{"error", {{"type", "invalid_request_error"}, {"message", message}}}}.dump()));
    }
}

TEST_CASE("reads Anthropic's reply: all text, no thinking, cached tokens counted") {
    const auto provider = make_anthropic_chat(options_of("https://api.anthropic.com"));
    const json thinking{{"type", "thinking"}, {"thinking", "hm"}};
    const auto reading =
        read(*provider, anthropic_reply(json::array({thinking, text_block("a"), text_block("b")})));
    CHECK_FALSE(reading.failure);
    CHECK(reading.reply.text == "ab");
    CHECK(reading.reply.tokens_in == 19);
    CHECK(reading.reply.tokens_cached == 5);
    CHECK(reading.reply.tokens_out == 7);
}

TEST_CASE("Anthropic's stop reasons that are no success") {
    const auto provider = make_anthropic_chat(options_of("https://api.anthropic.com"));
    const auto failure = [&](const char* stop) {
        const auto reading = read(*provider, anthropic_reply(json::array({text_block("{")}), stop));
        REQUIRE(reading.failure);
        return std::string(to_string(reading.failure->type())) + ": " + reading.failure->reason();
    };
    CHECK(failure("max_tokens") == "job: reply cut at the output budget of 100 tokens");
    CHECK(failure("model_context_window_exceeded") == "job: reply cut at the end of the model's context");
    CHECK(failure("refusal") == "permanent: refused by the model");
    CHECK(failure("pause_turn") == "job: reply without content");
    CHECK(read(*provider, anthropic_reply(json::array())).failure->reason() == "reply without content");
    CHECK_FALSE(read(*provider, anthropic_reply(json::array({text_block("x")}), "stop_sequence")).failure);
}

TEST_CASE("what Anthropic's failures mean") {
    const auto provider = make_anthropic_chat(options_of("https://api.anthropic.com"));
    const auto error = [](const char* type, const char* message, const char* code = nullptr) {
        json inner{{"type", type}, {"message", message}};
        if (code) inner["details"] = {{"error_code", code}};
        return json{{"type", "error"}, {"error", inner}}.dump();
    };
    const std::vector<std::pair<std::string, std::string>> wait{{"retry-after", "7"}};
    check_failures(
        *provider,
        {{400, error("invalid_request_error", "messages.0: SECRET"), FailureType::permanent, ""},
         {400, error("invalid_request_error", "prompt is too long: SECRET"), FailureType::permanent, ""},
         {400,
          error("invalid_request_error", "You have reached your specified API usage spend limit. SECRET"),
          FailureType::blocked, "billing"},
         {400, error("invalid_request_error", "Your credit balance is too low"), FailureType::blocked,
          "billing"},
         {400,
          error("invalid_request_error", "invalid: SECRET my credit balance, spend limit, max_tokens: 5"),
          FailureType::permanent, ""},
         {401, error("authentication_error", "SECRET"), FailureType::blocked, "extraction.api_key_file"},
         {402, error("billing_error", "SECRET"), FailureType::blocked, "billing"},
         {403, error("permission_error", "SECRET"), FailureType::blocked, "extraction.api_key_file"},
         {403, error("permission_error", "SECRET", "organization_on_hold"), FailureType::blocked, "billing"},
         {404, error("not_found_error", "model: SECRET"), FailureType::blocked, "extraction.model"},
         {409, error("conflict_error", "SECRET"), FailureType::job, ""},
         {413, "<html>413</html>", FailureType::permanent, ""},
         {429, error("rate_limit_error", "SECRET"), FailureType::throttled, "", wait},
         {429, error("rate_limit_error", "SECRET", "ramp_limit_exceeded"), FailureType::throttled, "", wait},
         {429, error("rate_limit_error", "SECRET", "enforced_spend_limit_reached"), FailureType::blocked,
          "billing"},
         {429, error("rate_limit_error", "SECRET", "contract_spend_limit_reached"), FailureType::blocked,
          "billing"},
         {500, error("api_error", "SECRET"), FailureType::ambiguous, ""},
         {504, error("timeout_error", "SECRET"), FailureType::outage, ""},
         {529, error("overloaded_error", "SECRET"), FailureType::throttled, ""},
         {200, R"({"type":"message"})", FailureType::ambiguous, ""}});
}

// --- Rate limits

TEST_CASE("reads how long until a rate limit is full again") {
    const auto now = std::chrono::system_clock::from_time_t(1'790'000'000);  // 2026-09-21T14:13:20Z
    const auto reset = [&](const char* text) {
        const auto time = parse_reset(text, now);
        return time ? time->count() : -1;
    };
    CHECK(reset("1s") == 1'000);
    CHECK(reset("6m0s") == 360'000);
    CHECK(reset("12ms") == 12);
    CHECK(reset("1h2m3s") == 3'723'000);
    CHECK(reset("7.66s") == 7'660);
    CHECK(reset("1m0.5s") == 60'500);
    CHECK(reset("500µs") == 1);
    CHECK(reset("20") == 20'000);
    CHECK(reset("0") == 0);
    CHECK(reset("2026-09-21T14:13:50Z") == 30'000);
    CHECK(reset("2026-09-21T14:13:50.25Z") == 30'000);
    CHECK(reset("2026-09-21T16:13:50+02:00") == 30'000);
    CHECK(reset("2026-09-21T14:00:00Z") == 0);
    for (const auto* text : {"", "soon", "-1", "-1s", "1x", "s", "1s2", "1e3", "nan", "99h", "2026-09-21",
                             "2026-09-21T14:13:50", "2027-09-21T14:13:50Z", "9999-12-31T23:59:59Z"})
        CHECK(reset(text) == -1);
}

TEST_CASE("takes the rate limits from the headers of an answer") {
    const ChatReply reply{"text", 30, 20, 10, {}};
    const auto openai = make_openai_chat(options_of("http://localhost:8080"));
    const auto quotas = openai->quotas(reply,
                                       response_of(200, "",
                                                   {{"x-ratelimit-limit-requests", "60"},
                                                    {"x-ratelimit-remaining-requests", "59"},
                                                    {"x-ratelimit-reset-requests", "1s"},
                                                    {"x-ratelimit-limit-tokens", "1000"},
                                                    {"x-ratelimit-remaining-tokens", "0"},
                                                    {"x-ratelimit-reset-tokens", "6m0s"}}),
                                       {});
    REQUIRE(quotas.size() == 2);
    CHECK(quotas[0].first == "requests");
    CHECK(quotas[0].second.limit == 60);
    CHECK(quotas[0].second.remaining == 59);
    CHECK(quotas[0].second.reset == Milliseconds(1'000));
    CHECK(quotas[0].second.cost == 1);
    CHECK(quotas[1].second.cost == 100);  // the budget that is asked for
    SECTION("what a server does not know is ignored") {
        CHECK(openai
                  ->quotas(reply,
                           response_of(200, "",
                                       {{"x-ratelimit-limit-requests", "-1"},
                                        {"x-ratelimit-remaining-requests", "-1"},
                                        {"x-ratelimit-reset-requests", "0"},
                                        {"x-ratelimit-limit-tokens", "10"},
                                        {"x-ratelimit-remaining-tokens", "x"},
                                        {"x-ratelimit-reset-tokens", "1s"}}),
                           {})
                  .empty());
    }
    SECTION("less than one call is one") {
        const auto odd = openai->quotas(reply,
                                        response_of(200, "",
                                                    {{"x-ratelimit-limit-requests", "0.5"},
                                                     {"x-ratelimit-remaining-requests", "0.25"},
                                                     {"x-ratelimit-reset-requests", "1s"}}),
                                        {});
        REQUIRE(odd.size() == 1);
        CHECK(odd[0].second.cost == 1);
    }
    SECTION("Anthropic counts input and output apart") {
        const auto anthropic = make_anthropic_chat(options_of("https://api.anthropic.com"));
        const auto now = std::chrono::system_clock::from_time_t(1'790'000'000);
        const auto all = anthropic->quotas(
            reply,
            response_of(200, "",
                        {{"anthropic-ratelimit-input-tokens-limit", "1000"},
                         {"anthropic-ratelimit-input-tokens-remaining", "500"},
                         {"anthropic-ratelimit-input-tokens-reset", "2026-09-21T14:13:50Z"},
                         {"anthropic-ratelimit-output-tokens-limit", "100"},
                         {"anthropic-ratelimit-output-tokens-remaining", "50"},
                         {"anthropic-ratelimit-output-tokens-reset", "2026-09-21T14:13:21Z"}}),
            now);
        REQUIRE(all.size() == 2);
        CHECK(all[0].second.cost == 20);
        CHECK(all[0].second.reset == Milliseconds(30'000));
        CHECK(all[1].second.cost == 20);
    }
    SECTION("an answer without usage says nothing of what tokens a call costs") {
        const auto anthropic = make_anthropic_chat(options_of("https://api.anthropic.com"));
        const auto now = std::chrono::system_clock::from_time_t(1'790'000'000);
        const auto all = anthropic->quotas(
            {},
            response_of(529, "",
                        {{"anthropic-ratelimit-output-tokens-limit", "8000"},
                         {"anthropic-ratelimit-output-tokens-remaining", "100"},
                         {"anthropic-ratelimit-output-tokens-reset", "2026-09-21T14:13:50Z"}}),
            now);
        CHECK(all.empty());
    }
}
