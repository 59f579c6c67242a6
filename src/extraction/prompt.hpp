#pragma once
// What the models are asked: a stable part (the rules; from prompts/*.txt, or an operator's file) and a part
// per memory, in which content and correction stand between marker lines that they cannot contain. The same
// input gives the same text, always: the journal of replies is keyed by it. Thread safety: pure functions.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace memoir::extraction {

enum class Task { facts, triples };

// "facts", "triples": the member that the reply must have, and the schema's name.
std::string_view list_name(Task task);

// The rules. `file` (prompt_file) replaces ours; empty: ours. Throws StartError when it cannot be read, is
// blank, longer than 64 KiB or no UTF-8.
std::string stable_prompt(Task task, const std::string& file);

// The reply's JSON schema in the form that all three providers accept: every key required, nothing else
// allowed, optional is "or null", no pattern and no bounds.
const std::string& reply_schema(Task task);

struct Subject {
    std::string reference_date;  // YYYY-MM-DD
    std::string content;
    std::optional<std::string> correction;  // none: an extraction as such
};
std::string memory_prompt(Task task, const Subject& subject);

// The first of candidate(0), candidate(1) … that is in neither text. For the tests; candidates are drawn from
// a hash of the texts, so that nobody can write a text that holds its own marker.
std::string choose_marker(std::string_view content, std::string_view correction,
                          const std::function<std::string(int)>& candidate);

}  // namespace memoir::extraction
