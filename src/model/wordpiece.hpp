#pragma once
// BERT's WordPiece: text to token ids exactly as the model's own tokenizer.json makes them, so that a memory
// and a reader's query meet in the same vectors. Greedy longest match, a word with an unknown part is unknown
// as a whole. Literal special tokens in a text ("[SEP]") are matched before it is normalised, as readers'
// tokenizers do. Linear in the length of the text; stops once the tokens suffice. Thread safety: immutable
// once loaded.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/bert_text.hpp"

namespace memoir::model {

class WordPiece {
  public:
    // Throws StartError, whose problem begins with the file's name: missing, no JSON, or no tokenizer of this
    // kind. Rules of tokenizer.json that are not implemented are refused, never ignored.
    static WordPiece load(const std::string& file);
    // Throws std::invalid_argument.
    static WordPiece parse(const nlohmann::json& tokenizer);

    // [CLS] … [SEP]: at most `max_tokens` ids, cut at the right; two at least.
    std::vector<std::int64_t> encode(std::string_view text, std::size_t max_tokens) const;

    std::int64_t padding() const { return padding_; }

    WordPiece(WordPiece&&) = default;  // no copies: the vocabulary's keys look into text_
    WordPiece& operator=(WordPiece&&) = default;

  private:
    WordPiece() = default;
    using Vocabulary = std::unordered_map<std::string_view, std::int64_t>;

    void encode_segment(std::string_view text, std::size_t limit, std::vector<std::int64_t>& ids) const;
    void encode_word(std::string_view word, std::vector<std::int64_t>& ids) const;

    BertRules rules_;
    std::vector<char> text_;         // of all pieces; a move leaves it where it is
    Vocabulary begins_, continues_;  // pieces at a word's begin, and after it (without their prefix)
    std::vector<std::pair<std::string, std::int64_t>> specials_;  // the longest first
    std::size_t longest_piece_ = 0;                               // bytes
    std::size_t longest_word_ = 100;                              // code points; longer words are unknown
    std::int64_t unknown_ = 0, begin_ = 0, end_ = 0, padding_ = 0;

    friend class WordPieceReader;
};

}  // namespace memoir::model
