// libFuzzer target over what reads a configuration: both syntaxes, and the value of a flag for each type of
// key. A find is a crash, a sanitizer's report, a time-out, or a problem that says nothing.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/config.hpp"
#include "config/node.hpp"

using namespace memoir::config;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    if (!invalid_utf8(text)) {
        for (const auto& read : {read_toml(text), read_json(text)}) {
            const auto* error = std::get_if<SyntaxError>(&read);
            if (error != nullptr && (error->text.empty() || error->at.line < 1)) std::abort();
        }
    }
    Sources sources;
    sources.environment = [](const char*) -> const char* { return nullptr; };
    for (const char* key : {"worker.lease", "database.pool", "lanes.a.kinds", "classifier.threshold",
                            "vector.url", "database.url", "graph.url", "metrics.listen", "embedding.model"}) {
        sources.sets.push_back(std::string(key) + "=" + text);
    }
    sources.sets.push_back(text);
    const Loaded loaded = load(sources);
    if (loaded.problems.empty() == loaded.printed.empty()) std::abort();
    return 0;
}
