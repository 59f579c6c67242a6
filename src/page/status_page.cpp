#include "page/status_page.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "page/assets.hpp"
#include "page/html.hpp"
#include "telemetry/format.hpp"

namespace memoir::page {
namespace {

using queue::JobState;

// Of what is in hand: more rows than that would tell an operator nothing new.
constexpr std::size_t most_of_a_batch = 5, most_work = 100;

// Fields of events that the page shows, in this order: the rest is for the log. All of them are ids, names,
// numbers and reasons of ours.
constexpr std::array<std::string_view, 24> shown_fields = {
    "job_id",  "kind",  "source_pid", "worker",   "attempt",       "outcome", "failure_type", "error",
    "reason",  "count", "jobs",       "endpoint", "next_probe_ms", "open_ms", "delay_ms",     "duration_ms",
    "version", "kinds", "provider",   "model",    "operation",     "where",   "exit_code",    "hint"};

std::string_view colour(endpoint::State state) {
    switch (state) {
        case endpoint::State::closed:
            return "tag good";
        case endpoint::State::open:
            return "tag bad";
        default:
            return "tag warn";
    }
}

std::string_view colour(telemetry::Level level) {
    switch (level) {
        case telemetry::Level::error:
            return "tag bad";
        case telemetry::Level::warning:
            return "tag warn";
        default:
            return "tag";
    }
}

std::string joined(const std::vector<std::string>& list) {
    std::string text;
    for (const auto& item : list) text += (text.empty() ? "" : ", ") + item;
    return text;
}

// A name that may be continued on the next line after an underscore: relational_extract on a phone.
std::string breakable(const std::string& name) {
    std::string out;
    for (const char c : escape(name)) {
        out += c;
        if (c == '_') out += "<wbr>";
    }
    return out;
}

class Page {
  public:
    explicit Page(const Snapshot& now) : now_(now) {}

    std::string whole() {
        head();
        html_.raw("<main>");
        header();
        notes();
        lanes();
        kinds();
        endpoints();
        work();
        totals();
        events();
        html_.raw(
            "<footer>The queue is the whole fleet's; everything else is this process. Times are UTC. No "
            "content is "
            "shown here. More: <code>memoirctl status</code>, "
            "<a href=\"/metrics\">/metrics</a>, <a href=\"/healthz\">/healthz</a>, "
            "<a href=\"/readyz\">/readyz</a></footer></main></body></html>\n");
        return html_.take();
    }

  private:
    std::string_view phase() const {
        switch (now_.phase) {
            case Snapshot::Phase::starting:
                return "starting";
            case Snapshot::Phase::ready:
                return now_.database_up ? "ready" : "waiting for the database";
            case Snapshot::Phase::draining:
                return "draining";
        }
        return "unknown";
    }
    bool well() const { return now_.phase == Snapshot::Phase::ready && now_.database_up; }

    void head() {
        html_
            .raw(
                "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                "<meta name=\"robots\" content=\"noindex\"><title>memoird on ")
            .text(now_.host)
            .raw(": ")
            .raw(phase())
            .raw(
                "</title><link rel=\"icon\" href=\"data:,\">"
                "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript><style>")
            .raw(style)
            .raw("</style><script>")
            .raw(script)
            .raw(
                "</script></head><body><p id=\"stale\" class=\"bad\" role=\"status\">memoird does not "
                "answer. This is its last known state.</p>");
    }

    void header() {
        html_.raw("<header><h1>memoird</h1>");
        html_.element("span", well() ? "tag good" : "tag warn", phase()).raw("<p>on ");
        html_.element("b", "", now_.host).raw(", pid ").raw(std::to_string(now_.pid)).raw(", version ");
        html_.text(now_.version).raw(", schema ").text(now_.schema).raw(", since ");
        html_.raw(time_element(now_.started, now_.made)).raw(" (");
        html_.raw(words(std::chrono::duration_cast<Milliseconds>(now_.made - now_.started)));
        html_.raw("), as of ").raw(time_element(now_.made, now_.made)).raw(". ");
        if (now_.phase != Snapshot::Phase::starting)
            html_.raw(now_.database_up ? "Database up, " : "Database unavailable, ")
                .raw(std::to_string(now_.pool_in_use) + " of " + std::to_string(now_.pool_size))
                .raw(" connections in use.");
        html_.raw("</p></header>");
    }

    // What needs an operator, before all the figures.
    void notes() {
        html_.raw("<ul class=\"notes\">");
        if (now_.phase == Snapshot::Phase::draining)
            note("warn", "Draining: no jobs are claimed; running jobs are finished or released.", "");
        if (now_.phase == Snapshot::Phase::starting)
            note("warn",
                 "Starting: connecting to the database and probing the backends. See the events below.", "");
        if (now_.phase != Snapshot::Phase::starting && !now_.database_up)
            note("bad", "The database is unavailable: jobs wait until it is back.",
                 "check database.url, and that PostgreSQL is running; see memoirctl doctor");
        for (const auto& each : now_.endpoints)
            if (each.state == endpoint::State::open)
                note("bad", each.name + " is not called: " + each.reason, each.hint);
        if (now_.paused.contains("*"))
            note("warn", "The whole fleet is paused.", "memoirctl resume ends the pause");
        for (const auto& kind : now_.paused)
            if (kind != "*")
                note("warn", "Paused for the whole fleet: " + kind + ".", "memoirctl resume --kind " + kind);
        for (const auto& kind : now_.kinds)
            if (kind.lane.empty() && kind.depth && kind.depth->pending > 0)
                note("warn",
                     "Jobs of kind " + kind.name + " are waiting and are left to other hosts" +
                         (kind.left.empty() ? "." : ": " + kind.left),
                     "");
        html_.raw("</ul>");
    }

    void note(std::string_view css, std::string_view text, std::string_view hint) {
        html_.raw("<li class=\"").raw(css).raw("\">").text(text);
        if (!hint.empty()) html_.element("span", "hint", hint);
        html_.raw("</li>");
    }

    void tile(std::string_view name, const std::string& value, bool bad = false) {
        html_.raw(bad ? "<div class=\"card tile bad\">" : "<div class=\"card tile\">");
        html_.element("b", "", value).element("span", "", name).raw("</div>");
    }

    void totals() {
        const auto& totals = now_.totals;
        const auto count = [&](std::string_view name, std::uint64_t value, bool bad = false) {
            tile(name, grouped(static_cast<std::int64_t>(value)), bad);
        };
        html_.raw("<section><h2>Since start</h2><div class=\"grid\">");
        count("claimed", totals.claimed);
        count("done", totals.done);
        count("retried", totals.retried);
        count("failed", totals.failed, totals.failed > 0);
        count("parked", totals.parked);
        count("released", totals.released);
        count("lost", totals.lost, totals.lost > 0);
        count("recovered", totals.recovered);
        html_.raw("</div></section>");
    }

    void lanes() {
        if (now_.lanes.empty()) return;
        html_.raw("<section><h2>Lanes</h2><div class=\"grid wide\">");
        for (const auto& lane : now_.lanes) {
            html_.raw("<div class=\"card box\"><p class=\"head\">").element("b", "", lane.name);
            html_.element("span", lane.busy > 0 ? "tag busy" : "tag", lane.busy > 0 ? "busy" : "idle");
            const auto busy = std::to_string(lane.busy), loops = std::to_string(lane.loops);
            html_.raw("</p><progress value=\"").raw(busy).raw("\" max=\"").raw(loops);
            html_.raw("\"></progress><p>").raw(busy).raw(" of ").raw(loops);
            html_.raw(lane.loops == 1 ? " loop" : " loops").raw(" busy, ");
            html_.raw(grouped(lane.jobs) + (lane.jobs == 1 ? " job" : " jobs") + " in hand, batch ");
            html_.raw(std::to_string(lane.batch)).raw("</p><p class=\"dim\">").text(joined(lane.kinds));
            html_.raw("</p></div>");
        }
        html_.raw("</div></section>");
    }

    void work() {
        html_.raw(
            "<section><h2>Running here <small>longest first</small></h2>"
            "<div class=\"card\">");
        if (now_.work.empty()) {
            html_.raw("<p class=\"none\">Nothing is running.</p></div></section>");
            return;
        }
        html_.raw(
            "<table class=\"work\"><thead><tr><th>job</th><th>kind</th><th>memory</th><th>loop</th>"
            "<th class=\"n\">for</th></tr></thead><tbody>");
        std::map<std::string, std::size_t> of_worker;
        std::size_t shown = 0;
        for (const auto& each : now_.work)
            if (++of_worker[each.worker] <= most_of_a_batch && shown < most_work) {
                row(each);
                ++shown;
            }
        const std::size_t hidden = now_.work.size() - shown;
        if (hidden > 0) {
            html_.raw("<tr class=\"more\"><td colspan=\"5\" class=\"dim\">and ");
            html_.raw(grouped(static_cast<std::int64_t>(hidden))).raw(" more: ");
            std::string list;
            for (const auto& [worker, count] : of_worker)
                if (count > most_of_a_batch)
                    list += (list.empty() ? "" : ", ") + worker + " has " + std::to_string(count);
            html_.text(list).raw("</td></tr>");
        }
        html_.raw("</tbody></table></div></section>");
    }

    void row(const Work& each) {
        html_.raw("<tr><td class=\"id\">").raw(std::to_string(each.job_id)).raw("</td>");
        html_.element("td", "", each.kind).element("td", "id", each.source_pid);
        html_.element("td", "", each.worker).element("td", "n", words(each.since)).raw("</tr>");
    }

    void kinds() {
        html_.raw("<section><h2>The queue ");
        if (now_.counted_before)
            html_.raw("<small>of the whole fleet, counted ")
                .raw(words(*now_.counted_before))
                .raw(" ago</small>");
        else
            html_.raw("<small>not counted yet</small>");
        html_.raw(
            "</h2><div class=\"card\"><table class=\"kinds\"><thead><tr><th>kind</th>"
            "<th class=\"n\">waiting</th><th class=\"n\">oldest</th><th class=\"n\">parked</th>"
            "<th class=\"n\">claimed</th><th class=\"n\">failed</th></tr></thead><tbody>");
        for (const auto& kind : now_.kinds) {
            html_.raw("<tr><th>").raw(breakable(kind.name));
            state(kind);
            html_.raw("</th>");
            count(kind, JobState::pending, "");
            const auto oldest = kind.depth ? kind.depth->oldest : std::nullopt;
            html_.element(
                "td", oldest ? "n" : "n zero",
                oldest ? words(Milliseconds(static_cast<Milliseconds::rep>(*oldest * 1'000))) : "–");
            count(kind, JobState::parked, "");
            count(kind, JobState::claimed, "");
            count(kind, JobState::failed, " bad");
            html_.raw("</tr>");
        }
        html_.raw("</tbody></table></div></section>");
    }

    // Why no job of a kind is being claimed here.
    void state(const Kind& kind) {
        std::string why;
        if (kind.lane.empty())
            why = kind.left.empty() ? "not served here" : "left to other hosts: " + kind.left;
        else if (now_.paused.contains("*") || now_.paused.contains(kind.name))
            why = "paused";
        else if (!kind.waits_for.empty())
            why = "waiting for " + joined(kind.waits_for);
        if (!why.empty()) html_.raw("<br>").element("small", "dim", why);
    }

    void count(const Kind& kind, JobState state, std::string_view css_if_any) {
        const auto value = kind.depth ? kind.depth->count(state) : 0;
        std::string text = kind.depth ? grouped(value) : "–";
        if (kind.depth && kind.depth->more(state)) text += "+";
        const std::string css = "n" + (value == 0 ? std::string(" zero") : std::string(css_if_any));
        html_.element("td", css, text);
    }

    void endpoints() {
        html_.raw("<section><h2>Backends <small>and their circuit breakers</small></h2>");
        if (now_.endpoints.empty())
            html_.raw("<div class=\"card\"><p class=\"none\">None that is reached over a network.</p></div>");
        html_.raw("<div class=\"grid wide\">");
        for (const auto& each : now_.endpoints) {
            html_.raw("<div class=\"card box\"><p class=\"head\">").element("b", "", each.name);
            html_.element("span", colour(each.state), to_string(each.state)).raw("</p>");
            if (each.state != endpoint::State::closed) {
                html_.raw("<p>").element("b", "", to_string(each.why)).raw(": ").text(each.reason);
                if (!each.hint.empty()) html_.element("span", "hint", each.hint);
                html_.raw("</p>");
            }
            html_.element("p", "dim", figures(each)).raw("</div>");
        }
        html_.raw("</div></section>");
    }

    static std::string figures(const endpoint::Snapshot& each) {
        const auto number = [](std::uint64_t value) { return grouped(static_cast<std::int64_t>(value)); };
        std::string text = number(each.calls) + " calls, " + number(each.failures) + " failed, " +
                           std::to_string(each.in_flight) +
                           (each.max_concurrent > 0 ? " of " + std::to_string(each.max_concurrent) : "") +
                           " in flight";
        if (each.waiting > 0) text += ", " + std::to_string(each.waiting) + " waiting";
        if (each.open_for.count() > 0) text += "; open for " + words(each.open_for);
        if (each.state == endpoint::State::open) text += "; next probe in " + words(each.next_probe);
        if (each.held_for.count() > 0) text += "; rate limit exhausted for the next " + words(each.held_for);
        return text;
    }

    void events() {
        html_.raw(
            "<section><h2>Last events <small>warnings, errors and what is notable, newest "
            "first</small></h2><div class=\"card\">");
        if (now_.events.empty()) html_.raw("<p class=\"none\">None yet.</p>");
        html_.raw("<ol class=\"events\">");
        for (auto each = now_.events.rbegin(); each != now_.events.rend(); ++each) event(*each);
        html_.raw("</ol></div></section>");
    }

    void event(const telemetry::Stamped& stamped) {
        const auto& event = stamped.event;
        html_.raw("<li>").raw(time_element(stamped.time, now_.made)).raw("<span><span class=\"");
        html_.raw(colour(event.level)).raw("\">").raw(to_string(event.level)).raw("</span></span><div>");
        // A hint that the message repeats is among the fields.
        html_.text(std::string_view(event.message).substr(0, event.message.find('\n')));
        html_.raw(" ").element("code", "dim", event.name).raw("<div class=\"fields\">");
        for (const auto name : shown_fields)
            for (const auto& field : event.fields) {
                if (field.key != name) continue;
                const auto value = telemetry::value_text(field);
                if (value.empty()) continue;
                if (name == "hint")
                    html_.element("span", "hint", value);
                else
                    html_.element("span", "", std::string(name) + " " + value);
            }
        html_.raw("</div></div></li>");
    }

    const Snapshot& now_;
    Html html_;
};

}  // namespace

std::string render(const Snapshot& now) {
    return Page(now).whole();
}

}  // namespace memoir::page
