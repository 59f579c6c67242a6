// JSON (RFC 8259) with a position for every name and value. nlohmann's parser reads it, but gives no
// positions, accepts a name twice and quotes the file in its messages. So the iterator that feeds it counts,
// a token's place follows from where the one before ended, and what is wrong is told in words of ours.

#include <algorithm>
#include <cctype>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "config/node.hpp"

namespace memoir::config {
namespace {

constexpr std::size_t deepest = 32;  // our config is three levels deep; a Node's destructor is recursive

// An input iterator that says how far it has come, whatever becomes of its copies.
struct Feed {
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    const char* at;
    std::size_t* consumed;
    reference operator*() const { return *at; }
    Feed& operator++() {
        ++at;
        ++*consumed;
        return *this;
    }
    bool operator==(const Feed& other) const { return at == other.at; }
};

class Reader {
  public:
    // The parser reads one character past a number; the blank makes sure that there is one.
    explicit Reader(std::string_view source) : text_(std::string(source) + ' '), size_(source.size()) {
        if (source.starts_with("\xEF\xBB\xBF")) walked_ = end_ = 3;
    }

    Node document() {
        Feed last{text_.data() + text_.size(), nullptr};
        nlohmann::json::sax_parse(Feed{text_.data(), &consumed_}, last, this,
                                  nlohmann::json::input_format_t::json, false);
        if (next_token() < size_) {
            refuse_if_part_of_number();
            refuse_comment();
            fail("unexpected text after the end of the object", "the file must be one JSON object");
        }
        return std::move(root_);
    }

    // What the parser calls; each returns true, which is "go on", or throws SyntaxError.
    bool null() {
        add(Node::Type::null);
        return true;
    }
    bool boolean(bool value) {
        add(Node::Type::boolean).boolean = value;
        return true;
    }
    bool number_integer(std::int64_t value) {
        add(Node::Type::integer, 1).integer = value;
        return true;
    }
    bool number_unsigned(std::uint64_t value) {
        if (value > std::numeric_limits<std::int64_t>::max())
            return number_float(static_cast<double>(value), {});
        return number_integer(static_cast<std::int64_t>(value));
    }
    bool number_float(double value, const std::string&) {
        add(Node::Type::number, 1).number = value;
        return true;
    }
    bool string(std::string& value) {
        add(Node::Type::text).text = std::move(value);
        return true;
    }
    static bool binary(nlohmann::json::binary_t&) { return true; }  // not in JSON
    bool start_object(std::size_t) { return open(Node::Type::table); }
    bool start_array(std::size_t) { return open(Node::Type::list); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(std::string& name) {
        next_token();
        auto& members = open_.back()->members;
        if (std::ranges::any_of(members, [&](const Member& member) { return member.name == name; }))
            fail("a key is defined twice", "keep one of the two");
        members.push_back({std::move(name), at_, {}});
        named_ = true;
        token_ended(':');
        return true;
    }

    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
        const auto token = next_token();
        const char first = token < size_ ? text_[token] : '\0';
        refuse_if_part_of_number();
        refuse_comment();
        if (separator_ == ':') fail("a colon is missing here", "write \"name\": value");
        const bool in_table = !open_.empty() && open_.back()->type == Node::Type::table;
        if (separator_ == ',')
            fail(in_table ? "a comma or } is missing here" : "a comma or ] is missing here");
        if (first == '"') refuse_text(error);
        if (in_table && !named_)
            fail(
                token >= size_ ? "the file ends inside an object" : "a name in double quotes is missing here",
                first == '}' ? "remove the comma before it" : "write \"name\": value");
        if (token >= size_ && open_.empty()) fail("the file is empty", "an empty configuration is {}");
        if (token >= size_) fail("the file ends where a value is expected");
        if (first == ']' && !open_.empty()) fail("a list ends with a comma", "remove the comma before it");
        constexpr int out_of_range = 406;
        if (error.id == out_of_range) fail("this number is too large", "");
        if (first == '-' || std::isdigit(static_cast<unsigned char>(first)) != 0) refuse_number();
        fail("this is not a JSON value",
             "a value is a string in double quotes, a number, true, false, a list or an object");
    }

  private:
    [[noreturn]] void fail(std::string text, std::string hint = "check it with a JSON editor") const {
        throw SyntaxError{at_, std::move(text), std::move(hint)};
    }
    [[noreturn]] void refuse_number() const {
        fail("this is not a valid number", "strings and durations must be in double quotes");
    }
    // The parser takes 60 from 60s, and 0 from 08, and stumbles over the rest.
    void refuse_if_part_of_number() {
        const auto next = static_cast<unsigned char>(text_[end_]);
        if (!after_number_ || (std::isalnum(next) == 0 && next != '.')) return;
        at_ = number_at_;
        refuse_number();
    }
    void refuse_comment() const {
        if (walked_ < size_ && (text_[walked_] == '/' || text_[walked_] == '#'))
            fail("JSON has no comments", "remove it, or write the file as TOML, which has them");
    }
    // In a string that does not parse, `consumed_` is behind the first character that is wrong.
    [[noreturn]] void refuse_text(const nlohmann::json::exception& error) {
        std::string_view what = error.what();
        what = what.substr(0, what.find("; last read"));  // from there on it quotes the file
        const auto says = [&](const char* words) { return what.find(words) != what.npos; };
        if (says("missing closing quote")) fail("a string is not closed", "end it with a double quote");
        if (says("control character")) {
            walk_to(consumed_ - 1);
            fail("a control character in a string", "a line break is written \\n; is a quote missing?");
        }
        walk_to(text_.rfind('\\', consumed_ - 1));
        if (says("hex digits")) fail("\\u needs four hexadecimal digits", "");
        if (says("surrogate")) fail("half of a surrogate pair", "write the character itself");
        fail("an unknown escape in a string", "a backslash itself is written \\\\");
    }

    std::size_t skip_space(std::size_t at) const {
        return std::min(text_.find_first_not_of(" \t\n\r", at), size_);
    }
    // Goes to where the next token begins: behind white space and the one separator that may stand there.
    std::size_t next_token() {
        auto token = skip_space(end_);
        if (separator_ != '\0' && token < size_ && text_[token] == separator_) {
            token = skip_space(token + 1);
            separator_ = '\0';
        }
        walk_to(token);
        return token;
    }
    void token_ended(char separator, std::size_t read_ahead = 0) {
        end_ = consumed_ - read_ahead;
        separator_ = open_.empty() ? '\0' : separator;
        after_number_ = read_ahead != 0;
    }
    void walk_to(std::size_t offset) {
        for (; walked_ < offset; ++walked_) {
            if (text_[walked_] == '\n')
                at_ = {at_.line + 1, 1};
            else if ((static_cast<unsigned char>(text_[walked_]) & 0xC0) != 0x80)
                ++at_.column;  // continuation bytes of UTF-8 belong to the column of their first byte
        }
    }

    Node& add(Node::Type type, std::size_t read_ahead = 0) {
        next_token();
        auto* node = &root_;
        if (named_)
            node = &open_.back()->members.back().value;
        else if (!open_.empty())
            node = &open_.back()->items.emplace_back();
        node->type = type;
        node->at = number_at_ = at_;
        named_ = false;
        token_ended(',', read_ahead);
        return *node;
    }
    bool open(Node::Type type) {
        next_token();
        if (open_.size() > deepest) fail("nested too deeply");
        // It stays where it is: the list or table that it is in grows again only after it is closed.
        open_.push_back(&add(type));
        separator_ = '\0';
        return true;
    }
    bool close() {
        open_.pop_back();
        token_ended(',');
        return true;
    }

    const std::string text_;
    const std::size_t size_;  // without the blank
    std::size_t consumed_ = 0, walked_ = 0;
    Position at_{1, 1};      // of walked_
    std::size_t end_ = 0;    // of the last token
    char separator_ = '\0';  // that must stand before the next token, unless it closes
    bool named_ = false;     // the next token is the value of the last name
    bool after_number_ = false;
    Position number_at_{1, 1};
    Node root_;
    std::vector<Node*> open_;
};

}  // namespace

std::variant<Node, SyntaxError> read_json(std::string_view source) {
    try {
        return Reader(source).document();
    } catch (SyntaxError& error) {
        return std::move(error);
    }
}

}  // namespace memoir::config
