// libFuzzer target over everything that reads a model's reply. A find is a crash, a sanitizer's report, a
// time-out or a fact that cannot be stored.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/failure.hpp"
#include "extraction/reply.hpp"
#include "extraction/text.hpp"
#include "extraction/triples.hpp"

using namespace memoir;
using namespace memoir::extraction;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view reply(reinterpret_cast<const char*>(data), size);
    try {
        const auto facts = parse_facts(reply);
        for (const auto& fact : facts.facts)
            if (fact.confidence < 0 || fact.confidence > 100 || is_blank(fact.content) ||
                clean(fact.content) != fact.content)
                std::abort();
        if (facts_from_json(to_json(facts)) != facts) std::abort();
    } catch (const Failure&) {
    }
    try {
        to_json(parse_triples(reply));
    } catch (const Failure&) {
    }
    return 0;
}
