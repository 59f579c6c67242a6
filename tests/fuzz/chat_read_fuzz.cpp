// libFuzzer target over what the chat providers read of a server's answer: its body, and the headers that
// name limits and times. The first byte chooses the status, the first line is every header's value. A find is
// a crash, a sanitizer's report or a time-out.

#include <cstdint>
#include <string_view>

#include "http/client.hpp"
#include "model/chat_provider.hpp"

using namespace memoir;
using namespace memoir::model;

namespace {

const auto providers = [] {
    std::vector<std::unique_ptr<ChatProvider>> list;
    const ProviderOptions options{"extraction", "http://localhost:1", "m", Secret(), 4096, 0};
    list.push_back(make_ollama_chat(options));
    list.push_back(make_openai_chat(options));
    list.push_back(make_anthropic_chat(options));
    return list;
}();

constexpr int statuses[] = {200, 400, 422, 429, 500, 503};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (text.empty()) return 0;
    http::Response response;
    response.status = statuses[static_cast<unsigned char>(text.front()) % std::size(statuses)];
    text.remove_prefix(1);
    const auto line = std::min(text.find('\n'), text.size());
    const std::string value(text.substr(0, line));
    for (const auto* name : {"retry-after", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
                             "x-ratelimit-reset-requests", "anthropic-ratelimit-requests-limit",
                             "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"})
        response.headers.emplace_back(name, value);
    response.body = text.substr(std::min(line + 1, text.size()));
    const ChatRequest request{"rules", "memory", "facts", R"({"type":"object"})", 1};
    const auto now = std::chrono::system_clock::now();
    for (const auto& provider : providers) {
        const auto reading = provider->read(request, {}, response, now);
        provider->rephrase(request, {}, response);
        provider->quotas(reading.reply, response, now);
    }
    return 0;
}
