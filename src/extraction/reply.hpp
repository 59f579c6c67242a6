#pragma once
// A model's reply to the extraction prompt: from raw text to facts that may be stored as they are. Linear in
// time and memory for any text. Thread safety: pure functions. Errors: Failure(job) with a reason of ours
// that holds counts and lengths, never a piece of the reply.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "extraction/reply_list.hpp"

namespace memoir::extraction {

struct Fact {
    std::string content;                  // valid UTF-8 without U+0000, not trimmed, 1 to 8,000 characters
    int confidence = 0;                   // 0 to 100
    std::optional<std::string> event_at;  // "2026-05-21T00:00:00Z", microseconds where it has them
    friend bool operator==(const Fact&, const Fact&) = default;
};

struct Facts {
    std::vector<Fact> facts;    // in reply order
    std::size_t blank = 0;      // skipped: empty or white space
    std::size_t too_long = 0;   // skipped: more than 8,000 characters
    std::size_t malformed = 0;  // skipped: no object, no content or no confidence that is a number
    std::size_t bad_dates = 0;  // kept, without the event_at that was none
    std::size_t beyond = 0;     // left out: more than were allowed
    std::size_t skipped() const { return blank + too_long + malformed; }
    friend bool operator==(const Facts&, const Facts&) = default;
};

// docs/contract.md, "Reply". No facts is a success; a reply without a list of facts, or with malformed facts
// only, is a failure. Of facts at most the first `most`.
Facts parse_facts(std::string_view reply, std::size_t most = default_most_items);

// The form in which the journal of replies keeps a parsed reply, and back. from_json throws
// std::invalid_argument for what to_json did not write.
std::string to_json(const Facts& facts);
Facts facts_from_json(std::string_view json);

}  // namespace memoir::extraction
