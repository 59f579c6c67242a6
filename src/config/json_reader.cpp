// JSON (RFC 8259) with a position for every name and value. Our own, because no packaged parser gives
// positions, tells duplicate names, and never quotes the input in its messages.

#include <cctype>
#include <charconv>
#include <cmath>
#include <set>

#include "config/node.hpp"

namespace memoir::config {
namespace {

constexpr int deepest = 32;  // our config is three levels deep; the limit keeps the recursion harmless

class Reader {
  public:
    explicit Reader(std::string_view source) : source_(source) {}

    Node document() {
        if (source_.substr(0, 3) == "\xEF\xBB\xBF") offset_ = 3;
        skip_space();
        if (end()) fail("the file is empty", "an empty configuration is {}");
        Node node = value(0);
        skip_space();
        if (!end()) fail("something follows the end of the object", "the file is one JSON object");
        return node;
    }

  private:
    [[noreturn]] void fail(std::string text, std::string hint = "check it with a JSON editor") const {
        fail_at(at_, std::move(text), std::move(hint));
    }
    [[noreturn]] static void fail_at(Position at, std::string text, std::string hint) {
        throw SyntaxError{at, std::move(text), std::move(hint)};
    }

    bool end() const { return offset_ >= source_.size(); }
    char peek() const { return end() ? '\0' : source_[offset_]; }

    char take() {
        const char c = source_[offset_++];
        if (c == '\n') {
            ++at_.line;
            at_.column = 1;
        } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
            ++at_.column;  // continuation bytes of UTF-8 belong to the column of their first byte
        }
        return c;
    }

    void skip_space() {
        while (!end() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) take();
        if (peek() == '/' || peek() == '#') {
            fail("JSON has no comments", "remove it, or write the file as TOML, which has them");
        }
    }

    bool accept(char wanted) {
        skip_space();
        if (end() || peek() != wanted) return false;
        take();
        return true;
    }

    Node value(int depth) {
        if (depth > deepest) fail("nested too deeply");
        skip_space();
        Node node;
        node.at = at_;
        const char c = peek();
        if (c == '{') {
            object(node, depth);
        } else if (c == '[') {
            list(node, depth);
        } else if (c == '"') {
            node.type = Node::Type::text;
            node.text = text();
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            number(node);
        } else if (word("true")) {
            node.type = Node::Type::boolean;
            node.boolean = true;
        } else if (word("false")) {
            node.type = Node::Type::boolean;
        } else if (word("null")) {
            node.type = Node::Type::null;
        } else if (end()) {
            fail("the file ends where a value should stand");
        } else {
            fail("no JSON value begins like this",
                 "a value is a text in double quotes, a number, true, false, a list or an object");
        }
        return node;
    }

    bool word(std::string_view wanted) {
        if (source_.substr(offset_, wanted.size()) != wanted) return false;
        for (std::size_t i = 0; i < wanted.size(); ++i) take();
        return true;
    }

    void object(Node& node, int depth) {
        node.type = Node::Type::table;
        take();
        if (accept('}')) return;
        std::set<std::string, std::less<>> names;
        do {
            skip_space();
            const Position name_at = at_;
            if (peek() != '"') {
                fail(end() ? "the file ends inside an object" : "a name in double quotes should stand here",
                     peek() == '}' ? "remove the comma before it" : "write \"name\": value");
            }
            std::string name = text();
            if (!names.insert(name).second) fail_at(name_at, "a key is defined twice", "keep one of the two");
            if (!accept(':')) fail("a colon should stand here", "write \"name\": value");
            node.members.push_back({std::move(name), name_at, value(depth + 1)});
        } while (accept(','));
        if (!accept('}')) fail("a comma or } should stand here");
    }

    void list(Node& node, int depth) {
        node.type = Node::Type::list;
        take();
        if (accept(']')) return;
        do {
            skip_space();
            if (peek() == ']') fail("a list ends with a comma", "remove the comma before it");
            node.items.push_back(value(depth + 1));
        } while (accept(','));
        if (!accept(']')) fail("a comma or ] should stand here");
    }

    void number(Node& node) {
        const std::size_t begin = offset_;
        const Position at = at_;
        if (peek() == '-') take();
        if (peek() == '0') {
            take();
        } else if (digits() == 0) {
            fail_at(at, "this number does not parse", "");
        }
        bool whole = true;
        if (peek() == '.') {
            whole = false;
            take();
            if (digits() == 0) fail_at(at, "this number does not parse", "a digit follows the point");
        }
        if (peek() == 'e' || peek() == 'E') {
            whole = false;
            take();
            if (peek() == '+' || peek() == '-') take();
            if (digits() == 0) fail_at(at, "this number does not parse", "a digit follows the e");
        }
        if (std::isalnum(static_cast<unsigned char>(peek())) != 0 || peek() == '.') {
            fail_at(at, "this number does not parse", "texts and durations stand in double quotes");
        }
        const char* const first = source_.data() + begin;
        const char* const last = source_.data() + offset_;
        if (whole && std::from_chars(first, last, node.integer).ec == std::errc()) {
            node.type = Node::Type::integer;
            return;
        }
        node.type = Node::Type::number;
        if (std::from_chars(first, last, node.number).ec != std::errc()) {
            fail_at(at, "this number is too large", "");
        }
    }

    int digits() {
        int count = 0;
        for (; peek() >= '0' && peek() <= '9'; ++count) take();
        return count;
    }

    std::string text() {
        const Position begin = at_;
        take();
        std::string out;
        while (true) {
            if (end()) fail_at(begin, "a text is never closed", "it ends with a double quote");
            const auto c = static_cast<unsigned char>(peek());
            if (c < 0x20) {
                fail("a control character in a text", "a line break is written \\n; is a quote missing?");
            }
            if (c == '"') {
                take();
                return out;
            }
            if (c == '\\') {
                escape(out);
            } else {
                out += take();
            }
        }
    }

    void escape(std::string& out) {
        const Position at = at_;
        take();
        const char c = end() ? '\0' : take();
        constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
        if (c == 'u') {
            append_utf8(out, code_point(at));
        } else if (const auto i = names.find(c); c != '\0' && i != names.npos) {
            out += values[i];
        } else {
            fail_at(at, "an unknown escape in a text", "a backslash itself is written \\\\");
        }
    }

    std::uint32_t hex4(Position at) {
        std::uint32_t code = 0;
        const auto digits = source_.substr(offset_, 4);
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
        if (digits.size() != 4 || parsed.ptr != digits.data() + 4) {
            fail_at(at, "\\u needs four hexadecimal digits", "");
        }
        for (int i = 0; i < 4; ++i) take();
        return code;
    }

    std::uint32_t code_point(Position at) {
        const std::uint32_t high = hex4(at);
        if (high < 0xD800 || high > 0xDFFF) return high;
        if (high < 0xDC00 && source_.substr(offset_, 2) == "\\u") {
            take();
            take();
            const std::uint32_t low = hex4(at);
            if (low >= 0xDC00 && low <= 0xDFFF) return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        }
        fail_at(at, "half of a surrogate pair", "write the character itself");
    }

    static void append_utf8(std::string& out, std::uint32_t code) {
        const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
        if (code < 0x80) {
            put(code);
        } else if (code < 0x800) {
            put(0xC0 | code >> 6);
            put(0x80 | (code & 0x3F));
        } else if (code < 0x10000) {
            put(0xE0 | code >> 12);
            put(0x80 | (code >> 6 & 0x3F));
            put(0x80 | (code & 0x3F));
        } else {
            put(0xF0 | code >> 18);
            put(0x80 | (code >> 12 & 0x3F));
            put(0x80 | (code >> 6 & 0x3F));
            put(0x80 | (code & 0x3F));
        }
    }

    std::string_view source_;
    std::size_t offset_ = 0;
    Position at_{1, 1};
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
