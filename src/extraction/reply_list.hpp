#pragma once
// Finds the list that a reply was asked for ({"facts":[…]}, {"triples":[…]}) among reasoning, fences and
// chatter. Thread safety: pure functions. Errors: Failure(job), see reply.hpp.

#include <functional>
#include <optional>
#include <string_view>

#include "extraction/lenient_json.hpp"

namespace memoir::extraction {

// No answer within an output budget comes near it; what is longer is not read.
constexpr std::size_t max_reply_bytes = 1 << 20;

// Facts or triples of one reply where the configuration does not say: nobody tells so many in one memory, and
// each becomes a memory with jobs of its own.
constexpr std::size_t default_most_items = 500;

// Calls `visit` for each element of the list under `key` of the first balanced text outside of reasoning that
// parses as an object with such a list. A null is an empty list, and so is a reply that is `{}` and no more.
void each_in_list(std::string_view reply, std::string_view key,
                  const std::function<void(const JsonScanner&, const JsonValue&)>& visit);

// A confidence: a number, or a string that holds nothing but one. nullopt where it is neither.
std::optional<float> read_confidence(const JsonScanner& scanner, const JsonValue& value);

}  // namespace memoir::extraction
