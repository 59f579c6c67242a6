#include "model/bert_text.hpp"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

namespace memoir::model {
namespace {

// The reference's tables are those of Unicode 8.0: what came later is an ordinary character to it, and six
// characters had another category then (found by comparing every code point with the reference).
bool existed(UChar32 c) {
    UVersionInfo age;
    u_charAge(c, age);
    return age[0] < 8 || (age[0] == 8 && age[1] == 0);
}

bool has_type(UChar32 c, std::uint32_t mask) {
    return (U_GET_GC_MASK(c) & mask) != 0;
}

bool is_accent(UChar32 c) {
    if (c < 0x300) return false;
    if (c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9) return false;
    return c == 0x1734 || (has_type(c, U_GC_MN_MASK) && existed(c));
}

bool is_dropped(UChar32 c) {
    if (c == 0 || c == 0xFFFD) return true;
    if (c == '\t' || c == '\n' || c == '\r') return false;
    if (has_type(c, U_GC_CC_MASK | U_GC_CO_MASK)) return true;
    return has_type(c, U_GC_CF_MASK) && existed(c);
}

bool is_ascii_punctuation(UChar32 c) {
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
}

bool is_punctuation(UChar32 c) {
    if (c < 0x80) return is_ascii_punctuation(c);
    return c == 0x166D || c == 0x111C9 || (has_type(c, U_GC_P_MASK) && existed(c));
}

// The blocks of the reference; extension E begins at U+2B920 there, not at U+2B820.
bool is_chinese(UChar32 c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
           (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

const UNormalizer2& nfd() {
    static const UNormalizer2* const instance = [] {
        UErrorCode status = U_ZERO_ERROR;
        const auto* found = unorm2_getNFDInstance(&status);
        if (U_FAILURE(status)) throw std::runtime_error("ICU has no normalization data");
        return found;
    }();
    return *instance;
}

class Splitter {
  public:
    Splitter(const BertRules& rules, std::size_t longest, const WordSink& sink)
        : rules_(rules), longest_(longest), sink_(sink) {
        word_.reserve(4 * (longest + 1));
    }

    void split(std::string_view text) {
        const auto* bytes = text.data();
        const auto size = text.size();
        for (std::size_t at = 0; at < size && going_;) {
            const auto byte = static_cast<unsigned char>(bytes[at]);
            if (byte < 0x80) {
                ++at;
                ascii(byte);
                continue;
            }
            UChar32 c;
            U8_NEXT(bytes, at, size, c);
            other(c < 0 ? 0xFFFD : c);
        }
        settle_marks();
        end_word();
    }

  private:
    void ascii(UChar32 c) {
        if ((c < 32 || c == 127) && rules_.clean_text && is_dropped(c)) return;
        settle_marks();
        put(rules_.lowercase && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }

    void other(UChar32 c) {
        if (rules_.clean_text && is_dropped(c)) return;
        if (u_isUWhiteSpace(c)) {
            settle_marks();
            end_word();
            return;
        }
        const bool alone = rules_.handle_chinese_chars && is_chinese(c);
        if (alone) {
            settle_marks();
            end_word();
        }
        rules_.strip_accents ? decompose(c) : lower(c);
        if (alone) {
            settle_marks();
            end_word();
        }
    }

    void decompose(UChar32 c) {
        std::array<UChar, 24> parts;  // the longest canonical decomposition has four code points
        UErrorCode status = U_ZERO_ERROR;
        const auto length = unorm2_getDecomposition(&nfd(), c, parts.data(), parts.size(), &status);
        if (length < 0 || U_FAILURE(status)) {
            part(c);
            return;
        }
        for (std::int32_t at = 0; at < length;) {
            UChar32 one;
            U16_NEXT(parts.data(), at, length, one);
            part(one);
        }
    }

    // Canonical order: marks between two starters are sorted by their class. Accents are dropped before that,
    // which leaves the order of the others as it is.
    void part(UChar32 c) {
        const auto combining = u_getCombiningClass(c);
        if (combining == 0) settle_marks();
        if (is_accent(c)) return;
        if (combining == 0)
            lower(c);
        else
            marks_.push_back({combining, c});
    }

    void settle_marks() {
        if (marks_.empty()) return;
        std::stable_sort(marks_.begin(), marks_.end(),
                         [](const Mark& a, const Mark& b) { return a.combining < b.combining; });
        for (const auto& mark : marks_) lower(mark.c);
        marks_.clear();
    }

    void lower(UChar32 c) {
        if (!rules_.lowercase) {
            put(c);
        } else if (c == 0x130) {  // the one letter whose lower case is two code points
            put('i');
            put(0x307);
        } else {
            put(u_tolower(c));
        }
    }

    void put(UChar32 c) {
        if (c < 0x80 && (c == ' ' || (c >= '\t' && c <= '\r'))) {
            end_word();
        } else if (is_punctuation(c)) {
            end_word();
            append(c);
            end_word();
        } else {
            append(c);
        }
    }

    void append(UChar32 c) {
        if (++length_ > longest_ + 1) return;
        std::array<char, U8_MAX_LENGTH> encoded;
        std::int32_t size = 0;
        U8_APPEND_UNSAFE(encoded.data(), size, c);
        word_.append(encoded.data(), static_cast<std::size_t>(size));
    }

    void end_word() {
        if (length_ == 0) return;
        if (going_) going_ = sink_(word_, length_);
        word_.clear();
        length_ = 0;
    }

    struct Mark {
        std::uint8_t combining;
        UChar32 c;
    };
    const BertRules& rules_;
    const std::size_t longest_;
    const WordSink& sink_;
    std::string word_;
    std::size_t length_ = 0;   // code points of the word, also those beyond the cut
    std::vector<Mark> marks_;  // marks since the last starter
    bool going_ = true;
};

}  // namespace

void split_words(std::string_view text, const BertRules& rules, std::size_t longest, const WordSink& sink) {
    Splitter(rules, longest, sink).split(text);
}

}  // namespace memoir::model
