#pragma once
// The tokenizer of DeBERTa-v3 models: literal special tokens are cut out first, SentencePiece does the rest.
// SentencePiece falls back to bytes where the model's own tokenizer says [UNK]: byte pieces become [UNK], and
// a run of them one. Thread safety: immutable after construction.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memoir::model {

using TokenIds = std::vector<std::int64_t>;

// How a pair is shortened to max_length tokens, [CLS] and both [SEP] included.
struct Truncation {
    enum class Strategy { only_first, only_second, longest_first };
    Strategy strategy = Strategy::longest_first;
    std::size_t max_length = 512;
};

// What a Hugging Face tokenizer.json says about it; nullopt where it says nothing or is no such file.
std::optional<Truncation> read_truncation(const std::string& tokenizer_json);

// [CLS] first [SEP] second [SEP]. The library's rules, also for what is left over by an odd length.
TokenIds join_pair(TokenIds first, TokenIds second, const Truncation& truncation);

class DebertaTokenizer {
  public:
    // `file` is the model's spm.model. Throws StartError: it is missing, or none.
    explicit DebertaTokenizer(const std::string& file);
    ~DebertaTokenizer();

    // Without [CLS] and [SEP] around it. Of a text longer than any model can see only the front is read.
    TokenIds encode(std::string_view text) const;

  private:
    void append_segment(TokenIds& ids, std::string_view segment) const;
    struct Processor;
    std::unique_ptr<Processor> processor_;
    std::vector<std::pair<std::string_view, std::int64_t>> specials_;
};

}  // namespace memoir::model
