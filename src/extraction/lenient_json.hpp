#pragma once
// JSON as models write it: comments, trailing commas, raw line breaks in strings, NaN and Infinity, numbers
// with a leading sign or point. Single quotes, bare words and missing commas are not guessed at.
//
// A scanner builds no tree: it checks a value and says where it ends, or walks over the members of an object
// or array that was checked. Each call reads a character once, and nesting deeper than max_depth is not JSON,
// so one call is linear in time and takes no memory of its own. Thread safety: none needed, it is a view;
// `text` must outlive it. Errors: values.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace memoir::extraction {

enum class JsonKind { object, array, string, number, boolean, null };

// Where a value stands: text[begin, end).
struct JsonValue {
    JsonKind kind = JsonKind::null;
    std::size_t begin = 0, end = 0;
};

// An object that has the wanted member with a list (or null, an empty list) as its value.
struct ListOwner {
    std::size_t object = 0;  // where it begins
    JsonValue list;
};

class JsonScanner {
  public:
    // Deeper than any answer to our schemas by far, and shallow for the stack.
    static constexpr int max_depth = 64;

    JsonScanner(std::string_view text, std::string_view wanted) : text_(text), wanted_(wanted) {}

    // Checks the value that begins at `at` (no blanks before it). nullopt: it is none; furthest() says how
    // much was read to find out.
    std::optional<JsonValue> value(std::size_t at);
    std::size_t furthest() const { return furthest_; }

    // The first object, by its beginning, within the last value() that has a list under the wanted key. Of
    // equal keys the last counts.
    const std::optional<ListOwner>& owner() const { return owner_; }

    // These expect values that value() has checked.
    void each_element(const JsonValue& list, const std::function<void(const JsonValue&)>& visit) const;
    void each_member(const JsonValue& object,
                     const std::function<void(const std::string& key, const JsonValue&)>& visit) const;
    // Decoded, valid UTF-8, without U+0000; a lone surrogate is U+FFFD.
    std::string string(const JsonValue& value) const;
    // Not finite where it says NaN or Infinity, or overflows.
    double number(const JsonValue& value) const;

  private:
    static constexpr auto npos = std::string_view::npos;
    // Each returns the position after what it read, or npos.
    std::size_t skip(std::size_t at, int depth, JsonKind& kind);
    std::size_t skip_object(std::size_t at, int depth);
    std::size_t skip_array(std::size_t at, int depth);
    std::size_t skip_string(std::size_t at) const;
    std::size_t skip_number(std::size_t at) const;
    std::size_t skip_blanks(std::size_t at) const;
    bool starts(std::size_t at, std::string_view word) const { return text_.substr(at).starts_with(word); }
    char peek(std::size_t at) const { return at < text_.size() ? text_[at] : '\0'; }
    bool is_wanted(std::size_t begin, std::size_t end) const;
    std::size_t fail(std::size_t at) {
        if (at != npos && at > furthest_) furthest_ = at;
        return npos;
    }

    std::string_view text_, wanted_;
    std::size_t furthest_ = 0;
    std::optional<ListOwner> owner_;
};

// The number in `text`, blanks around it and a percent sign after it allowed (90% is 0.9).
std::optional<double> number_in_words(std::string_view text);

}  // namespace memoir::extraction
