// The status page in a real browser: headless Chromium (Debian's), where it is installed.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "system/page_scene.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

// A browser with a profile of its own, which asks nobody but the page.
class Browser {
  public:
    Browser() : directory_(temporary_directory("browser")) {}
    ~Browser() { std::filesystem::remove_all(directory_); }

    static bool installed() {
        return run({.arguments = {"sh", "-c", "command -v chromium"}, .environment = {}, .input = {}}).code ==
               0;
    }

    std::string dom(const std::string& url, int virtual_ms) {
        return start({"--dump-dom", "--virtual-time-budget=" + std::to_string(virtual_ms), url}).output;
    }
    void screenshot(const std::string& url, const std::string& file, const std::string& size,
                    bool dark = false) {
        std::vector<std::string> arguments{"--screenshot=" + file, "--window-size=" + size,
                                           "--hide-scrollbars"};
        if (dark) arguments.emplace_back("--blink-settings=preferredColorScheme=0");
        arguments.push_back(url);
        start(arguments);
    }

  private:
    Finished start(const std::vector<std::string>& more) {
        Process::Options options;
        options.arguments = {"chromium",
                             "--headless=new",
                             "--no-sandbox",
                             "--disable-gpu",
                             "--disable-quic",
                             "--no-first-run",
                             "--disable-background-networking",
                             "--disable-component-update",
                             "--disable-sync",
                             "--no-proxy-server",
                             "--user-data-dir=" + directory_ + "/" + std::to_string(++profiles_)};
        options.arguments.insert(options.arguments.end(), more.begin(), more.end());
        return run(options, std::chrono::minutes(3));
    }
    const std::string directory_;
    int profiles_ = 0;
};

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// The value of a variable that asks for pictures; empty: it is not set.
std::string asked(const char* variable) {
    const char* value = std::getenv(variable);
    return value ? value : "";
}

}  // namespace

TEST_CASE("a browser shows the status page, and refreshes it by itself") {
    if (!Browser::installed()) {
        WARN("skipped: chromium is not installed (apt-get install chromium)");
        return;
    }
    PageScene scene;
    REQUIRE(scene.set());
    Browser browser;
    // Six seconds of the page's own time, which pass at once: one refresh. The queue is counted again at the
    // poller's next look.
    std::string dom;
    CHECK(eventually(
        [&] {
            dom = browser.dom(scene.url() + "/", 6'500);
            return contains(dom, "data-refreshed=\"1\"") && contains(dom, "3 h");
        },
        std::chrono::minutes(3)));
    CHECK_FALSE(contains(dom, "data-stale=\""));
    const auto worker = scene.worker();
    REQUIRE(worker.starts_with("embed."));
    for (const char* part : {worker.c_str(), "extraction is not called",
                             "Paused for the whole fleet: reprocess", "3 h", "memoir.worker.job_failed"}) {
        INFO(part);
        CHECK(contains(dom, part));
    }
    // The name of the model was text, for the browser too: a script would have changed the title.
    CHECK(contains(dom, "<title>memoird on "));
    CHECK(contains(dom, "&lt;script&gt;document.title"));
    CHECK_FALSE(contains(dom, PageScene::content));

    if (const auto to = asked("PAGE_SCREENSHOTS"); !to.empty()) {
        browser.screenshot(scene.url() + "/", to + "/desktop.png", "1280,900");
        browser.screenshot(scene.url() + "/", to + "/desktop-dark.png", "1280,900", true);
        browser.screenshot(scene.url() + "/", to + "/phone.png", "390,844");
        browser.screenshot(scene.url() + "/", to + "/whole.png", "1280,2600");
        browser.screenshot(scene.url() + "/", to + "/phone-whole.png", "390,3200");
    }
    CHECK(browser.dom(scene.url() + "/", 16'500).find("data-refreshed=\"3\"") != std::string::npos);
}

// docs/status-page.png: MEMOIRD_PAGE_PICTURE=docs/status-page.png test_system "the picture in README*"
TEST_CASE("the picture in README is drawn where one is asked for") {
    const auto file = asked("MEMOIRD_PAGE_PICTURE");
    if (file.empty()) return;
    REQUIRE(Browser::installed());
    PageScene scene({{"extraction.model", "\"gpt-4o-mini\""}, {"worker.host", "\"worker-1\""}});
    REQUIRE(scene.set());
    Browser browser;
    REQUIRE(eventually([&] { return contains(browser.dom(scene.url() + "/", 6'500), "3 h"); },
                       std::chrono::minutes(3)));
    browser.screenshot(scene.url() + "/", file, "1200,1000");
    CHECK(std::filesystem::file_size(file) > 0);
}
