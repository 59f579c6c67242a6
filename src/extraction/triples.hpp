#pragma once
// A model's reply to the relational prompt: the triples that are staged for the graph (docs/contract.md,
// "Graph"). Thread safety and errors: as in reply.hpp.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "extraction/reply_list.hpp"

namespace memoir::extraction {

struct Triple {
    std::string subject, relation, object;  // valid UTF-8 without U+0000, otherwise as they came, blanks kept
    double confidence = 1.0;                // what the reply's 32-bit float widens to
    friend bool operator==(const Triple&, const Triple&) = default;
};

struct Triples {
    std::vector<Triple> triples;  // in reply order
    std::size_t malformed = 0;    // skipped
    std::size_t beyond = 0;       // left out: more than were allowed
    friend bool operator==(const Triples&, const Triples&) = default;
};

// The library's limit, ours too (docs/contract.md, "Graph").
constexpr std::size_t max_triples_bytes = 100'000;

// At most the first `most`.
Triples parse_triples(std::string_view reply, std::size_t most = default_most_items);

// What is staged, by us or by the library, without the limit of a reply; what does not read is no triple.
std::vector<Triple> staged_triples(std::string_view json);

// The journal's form, which is the staged one. Throws std::invalid_argument for what to_json did not write.
Triples triples_from_json(std::string_view json);

// What graph_triple_staging.triples holds: {"triples":[{"subject","relation","object","confidence"}]}.
std::string to_json(const Triples& triples);

}  // namespace memoir::extraction
