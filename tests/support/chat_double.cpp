#include "support/chat_double.hpp"

#include <nlohmann/json.hpp>

namespace memoir::test {

using nlohmann::json;

namespace {

// What every probe of a chat server says (probe() of the providers in src/model), and no memory of a test.
bool is_canary(const HttpRequest& request) {
    return request.body.find(R"("ping")") != std::string::npos;
}

std::string memory_in(const std::string& body) {
    const auto begin = body.find("[["), end = body.find("]]", begin);
    return begin == std::string::npos || end == std::string::npos ? ""
                                                                  : body.substr(begin + 2, end - begin - 2);
}

}  // namespace

ChatDouble::ChatDouble(std::string provider, Says says)
    : provider_(std::move(provider)),
      says_(std::move(says)),
      server_([this](const HttpRequest& request) { return answer(request); }) {}

ChatDouble::ChatDouble() : ChatDouble("ollama", {}) {}

void ChatDouble::says(Says says) {
    std::lock_guard lock(mutex_);
    says_ = std::move(says);
}

void ChatDouble::gate(std::function<HttpReply(bool)> gate) {
    std::lock_guard lock(mutex_);
    gate_ = std::move(gate);
}

HttpReply ChatDouble::answer(const HttpRequest& request) {
    const bool canary = is_canary(request);
    const auto memory = canary ? std::string() : memory_in(request.body);
    Says says;
    std::function<HttpReply(bool)> gate;
    {
        std::lock_guard lock(mutex_);
        arrivals_.push_back({std::chrono::steady_clock::now(), canary, memory});
        says = says_;
        gate = gate_;
    }
    if (gate) {
        auto refused = gate(canary);
        if (refused.status != 200 || refused.fault != HttpReply::Fault::none) return refused;
    }
    if (canary) return reply("{}");
    return says ? says(memory, request) : facts({memory + " likes tea"});
}

HttpReply ChatDouble::reply(const std::string& text) const {
    if (provider_ == "openai") {
        const json choice{{"message", {{"content", text}}}, {"finish_reason", "stop"}};
        return {200, json{{"choices", json::array({choice})},
                          {"usage", {{"prompt_tokens", 12}, {"completion_tokens", 7}}}}
                         .dump()};
    }
    if (provider_ == "anthropic") {
        const json block{{"type", "text"}, {"text", text}};
        return {200, json{{"content", json::array({block})},
                          {"stop_reason", "end_turn"},
                          {"usage", {{"input_tokens", 12}, {"output_tokens", 7}}}}
                         .dump()};
    }
    return {200, json{{"message", {{"content", text}}},
                      {"done", true},
                      {"done_reason", "stop"},
                      {"prompt_eval_count", 12},
                      {"eval_count", 7}}
                     .dump()};
}

HttpReply ChatDouble::facts(const std::vector<std::string>& contents) const {
    auto list = json::array();
    for (const auto& content : contents)
        list.push_back({{"content", content}, {"confidence", 0.9}, {"event_at", nullptr}});
    return reply(json{{"facts", list}}.dump());
}

std::vector<ChatDouble::Arrival> ChatDouble::arrivals() const {
    std::lock_guard lock(mutex_);
    return arrivals_;
}

std::map<std::string, int> ChatDouble::calls() const {
    std::map<std::string, int> counted;
    for (const auto& arrival : arrivals())
        if (!arrival.canary) ++counted[arrival.memory];
    return counted;
}

int ChatDouble::canaries() const {
    int count = 0;
    for (const auto& arrival : arrivals()) count += arrival.canary;
    return count;
}

std::map<std::string, std::string> ChatDouble::settings(const std::string& role) const {
    return {{role + ".provider", "\"" + provider_ + "\""},
            {role + ".url", "\"" + url() + "\""},
            {role + ".model", "\"double\""}};
}

}  // namespace memoir::test
