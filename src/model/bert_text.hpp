#pragma once
// Text to words as BERT's reference tokenizer makes them: clean, pad Chinese characters, decompose and drop
// accents, lower case, split at white space and punctuation. One pass, linear in the length of the text
// (n log n for a run of combining marks), no allocation per word. Invalid UTF-8 counts as U+FFFD, which is
// dropped. Thread safety: BertText is immutable.

#include <cstddef>
#include <functional>
#include <string_view>

namespace memoir::model {

struct BertRules {
    bool clean_text = true;            // drop controls and formats
    bool handle_chinese_chars = true;  // each is a word of its own
    bool strip_accents = true;
    bool lowercase = true;
    friend bool operator==(const BertRules&, const BertRules&) = default;
};

// A word and its length in code points. False ends the pass.
using WordSink = std::function<bool(std::string_view word, std::size_t length)>;

// Words are cut after `longest` + 1 code points (their length still tells): what is longer is unknown to
// every vocabulary, and a hostile text of one word need not be copied.
void split_words(std::string_view text, const BertRules& rules, std::size_t longest, const WordSink& sink);

}  // namespace memoir::model
