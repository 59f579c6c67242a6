#include "base/roff.hpp"

namespace memoir::base {
namespace {

// Typesetters make hyphens and curly quotes of what has to be copied into a shell as it stands.
std::string escaped(std::string_view words) {
    std::string out;
    for (const char c : words) {
        switch (c) {
            case '\\':
                out += "\\e";
                break;
            case '-':
                out += "\\-";
                break;
            case '\'':
                out += "\\(aq";
                break;
            case '"':
                out += "\\(dq";
                break;
            case '~':
                out += "\\(ti";
                break;
            case '^':
                out += "\\(ha";
                break;
            default:
                out += c;
        }
    }
    return out;
}

// A line that begins with a dot would be a request.
std::string at_line_start(std::string line) {
    return line.starts_with('.') ? "\\&" + line : line;
}

std::string in_font(char font, std::string_view words) {
    return std::string("\\f") + font + escaped(words) + "\\fR";
}

}  // namespace

RoffPage::RoffPage(std::string_view name, std::string_view section, std::string_view manual,
                   std::string_view summary) {
    std::string title;
    for (const char c : name) title += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    out_ = ".TH " + title + " " + std::string(section) + " \"\" \"memoird " MEMOIRD_VERSION "\" \"" +
           escaped(manual) + "\"\n";
    heading("NAME");
    out_ += escaped(name) + " \\- " + escaped(summary) + "\n";
}

void RoffPage::heading(std::string_view title) {
    out_ += ".SH \"" + escaped(title) + "\"\n";
}

void RoffPage::subheading(std::string_view title) {
    out_ += ".SS \"" + escaped(title) + "\"\n";
}

void RoffPage::paragraph() {
    out_ += ".PP\n";
}

void RoffPage::text(std::string_view words) {
    line(plain(words));
}

void RoffPage::entry(const std::string& term, std::string_view words) {
    out_ += ".TP\n";
    line(term);
    text(words);
}

void RoffPage::line(const std::string& formatted) {
    // Readers fill lines anew; short ones are kind to those who read the source.
    constexpr std::size_t width = 78;
    std::string_view rest = formatted;
    while (rest.size() > width) {
        auto end = rest.rfind(' ', width);
        if (end == std::string_view::npos) end = rest.find(' ');
        if (end == std::string_view::npos) break;
        out_ += at_line_start(std::string(rest.substr(0, end))) + "\n";
        rest.remove_prefix(end + 1);
    }
    out_ += at_line_start(std::string(rest)) + "\n";
}

void RoffPage::example(const std::vector<std::string_view>& lines) {
    out_ += ".RS 4\n.nf\n";
    for (const auto each : lines) out_ += at_line_start(escaped(each)) + "\n";
    out_ += ".fi\n.RE\n";
}

void RoffPage::see_also(const std::vector<std::string_view>& pages) {
    for (std::size_t i = 0; i < pages.size(); ++i) {
        const auto open = pages[i].find('(');
        out_ += ".BR " + escaped(pages[i].substr(0, open)) + " " + std::string(pages[i].substr(open)) +
                (i + 1 < pages.size() ? "," : "") + "\n";
    }
}

std::string RoffPage::plain(std::string_view words) {
    std::string out;
    bool code = false;
    for (auto quote = words.find('`'); quote != std::string_view::npos; quote = words.find('`')) {
        out += code ? bold(words.substr(0, quote)) : escaped(words.substr(0, quote));
        words.remove_prefix(quote + 1);
        code = !code;
    }
    return out + escaped(words);
}

std::string RoffPage::bold(std::string_view words) {
    return in_font('B', words);
}

std::string RoffPage::italic(std::string_view words) {
    return in_font('I', words);
}

}  // namespace memoir::base
