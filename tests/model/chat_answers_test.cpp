// Where requests go and in which header the key, and in which fields answers are found.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "model/chat_body.hpp"
#include "model/chat_provider.hpp"

using namespace memoir;
using namespace memoir::model;
using nlohmann::json;

namespace {

const auto now = std::chrono::system_clock::now();

ProviderOptions options_of() {
    ProviderOptions options;
    options.role = "extraction";
    options.url = "http://localhost:8080";
    options.model = "m";
    return options;
}

ChatRequest request_of() {
    ChatRequest request;
    request.stable = "rules";
    request.user = "memory";
    request.schema_name = "facts";
    request.schema = R"({"type":"object"})";
    return request;
}

http::Response reply_of(int status, const json& body) {
    http::Response response;
    response.status = status;
    response.body = body.dump();
    return response;
}

}  // namespace

TEST_CASE("Azure gets the key in its own header, and its URLs are taken as they are") {
    struct Row {
        const char *url, *sent, *header;
    };
    for (const auto& row :
         {Row{"https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
              "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
              "api-key"},
          Row{"https://x.openai.azure.com", "https://x.openai.azure.com/openai/v1/chat/completions",
              "api-key"},
          Row{"https://gateway.example/openai/deployments/d?api-version=2024-10-21",
              "https://gateway.example/openai/deployments/d/chat/completions?api-version=2024-10-21",
              "api-key"},
          Row{"https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1/chat/completions",
              "Authorization"},
          Row{"https://h/v1/chat/completions", "https://h/v1/chat/completions", "Authorization"}}) {
        CAPTURE(row.url);
        auto options = options_of();
        options.url = row.url;
        options.api_key = Secret("k1");
        const auto request = make_openai_chat(options)->build(request_of(), {});
        CHECK(request.url == row.sent);
        CHECK(request.secret_header == row.header);
        CHECK(request.secret_value.reveal() == (request.secret_header == "api-key" ? "k1" : "Bearer k1"));
    }
}

TEST_CASE("an answer is found in the fields that servers file it under") {
    const auto provider = make_openai_chat(options_of());
    const std::string facts = R"({"facts":[]})";
    const auto text_of = [&](const json& message, const char* why = "stop") {
        const json choice{{"message", message}, {"finish_reason", why}};
        return provider->read(request_of(), {}, reply_of(200, json{{"choices", json::array({choice})}}), now);
    };
    for (const auto& message : {json{{"content", nullptr}, {"reasoning_content", facts}},
                                json{{"content", ""}, {"reasoning", facts}}, json{{"reasoning", facts}},
                                json{{"content", json::parse(facts)}},
                                json{{"content", json::array({{{"type", "text"}, {"text", facts}}})}},
                                json{{"content", json::array({{{"type", "output_text"}, {"text", facts}}})}},
                                json{{"content", json::array({facts})}}}) {
        CAPTURE(message.dump());
        const auto reading = text_of(message);
        CHECK_FALSE(reading.failure);
        CHECK(reading.reply.text == facts);
    }
    // Thinking that was cut off, and thinking beside an answer, are no answers.
    CHECK(text_of({{"content", ""}, {"reasoning", facts}}, "length").failure);
    CHECK(text_of({{"content", "x"}, {"reasoning", facts}}).reply.text == "x");
    CHECK(text_of({{"content", ""}, {"reasoning", ""}}).failure->type() == FailureType::job);
    const json thought{
        {"message", {{"content", ""}, {"thinking", facts}}}, {"done", true}, {"done_reason", "stop"}};
    CHECK(make_ollama_chat(options_of())->read(request_of(), {}, reply_of(200, thought), now).reply.text ==
          facts);
}

TEST_CASE("a stream that nobody asked for is for a human, with a HINT") {
    for (const auto& make : {make_openai_chat, make_anthropic_chat, make_ollama_chat}) {
        const auto provider = make(options_of());
        for (const auto* body :
             {"data: {\"choices\":[]}\n\ndata: [DONE]\n", "event: message_start\ndata: {}\n"}) {
            http::Response response;
            response.status = 200;
            response.body = body;
            const auto reading = provider->read(request_of(), {}, response, now);
            REQUIRE(reading.failure);
            CHECK(reading.failure->type() == FailureType::blocked);
            CHECK(reading.failure->hint.find("streaming") != std::string::npos);
            response.body = "{}";
            response.headers = {{"content-type", "text/event-stream; charset=utf-8"}};
            CHECK(provider->read(request_of(), {}, response, now).failure->type() == FailureType::blocked);
        }
    }
}
