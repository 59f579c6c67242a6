#include "model/wordpiece.hpp"

#include <algorithm>

namespace memoir::model {

std::vector<std::int64_t> WordPiece::encode(std::string_view text, std::size_t max_tokens) const {
    const std::size_t limit = std::max<std::size_t>(max_tokens, 2) - 1;  // leaves room for [SEP]
    std::vector<std::int64_t> ids;
    ids.reserve(std::min(limit + 1, text.size() / 3 + 8));
    ids.push_back(begin_);
    // Special tokens all begin with one of a few bytes, "[" as a rule.
    std::size_t from = 0, at = 0;
    while (at < text.size() && ids.size() < limit) {
        const auto special = std::find_if(specials_.begin(), specials_.end(), [&](const auto& candidate) {
            return text[at] == candidate.first[0] &&
                   text.compare(at, candidate.first.size(), candidate.first) == 0;
        });
        if (special == specials_.end()) {
            ++at;
            continue;
        }
        encode_segment(text.substr(from, at - from), limit, ids);
        ids.push_back(special->second);
        from = at += special->first.size();
    }
    if (ids.size() < limit) encode_segment(text.substr(from), limit, ids);
    if (ids.size() > limit) ids.resize(limit);
    ids.push_back(end_);
    return ids;
}

void WordPiece::encode_segment(std::string_view text, std::size_t limit,
                               std::vector<std::int64_t>& ids) const {
    if (text.empty()) return;
    split_words(text, rules_, longest_word_, [&](std::string_view word, std::size_t length) {
        if (length > longest_word_)
            ids.push_back(unknown_);
        else
            encode_word(word, ids);
        return ids.size() < limit;
    });
}

void WordPiece::encode_word(std::string_view word, std::vector<std::int64_t>& ids) const {
    const auto known = ids.size();
    for (std::size_t from = 0; from < word.size();) {
        const auto& vocabulary = from == 0 ? begins_ : continues_;
        // No piece is longer than the longest one of the vocabulary: a word costs its length, not its square.
        std::size_t length = std::min(word.size() - from, longest_piece_);
        auto found = vocabulary.end();
        for (; length > 0; --length) {
            // Only at the end of a code point can a piece end.
            const auto end = from + length;
            if (end < word.size() && (static_cast<unsigned char>(word[end]) & 0xC0) == 0x80) continue;
            found = vocabulary.find(word.substr(from, length));
            if (found != vocabulary.end()) break;
        }
        if (length == 0) {
            ids.resize(known);
            ids.push_back(unknown_);
            return;
        }
        ids.push_back(found->second);
        from += length;
    }
}

}  // namespace memoir::model
