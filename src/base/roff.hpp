#pragma once
// Writes a man page. Text is escaped; what stands in `backquotes` becomes bold. The output depends on nothing
// but the arguments: no date, no path. Thread safety: none.

#include <string>
#include <string_view>
#include <vector>

namespace memoir::base {

class RoffPage {
  public:
    // "memoirctl", "1", "User commands", "what it is, in one line"
    RoffPage(std::string_view name, std::string_view section, std::string_view manual,
             std::string_view summary);

    void heading(std::string_view title);
    void subheading(std::string_view title);
    void paragraph();
    void text(std::string_view words);
    // A term, of bold() and so on, and what it means.
    void entry(const std::string& term, std::string_view words);
    void line(const std::string& formatted);  // of bold() and so on
    void example(const std::vector<std::string_view>& lines);
    void see_also(const std::vector<std::string_view>& pages);  // "memoird(8)"

    static std::string plain(std::string_view words);
    static std::string bold(std::string_view words);
    static std::string italic(std::string_view words);

    std::string take() && { return std::move(out_); }

  private:
    std::string out_;
};

}  // namespace memoir::base
