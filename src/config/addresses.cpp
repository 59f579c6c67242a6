#include "config/addresses.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/failure.hpp"
#include "http/listen_address.hpp"
#include "http/url.hpp"

namespace memoir::config {
namespace {

std::string secret_hint(const Match& match) {
    const std::string section(match.section());
    if (section == "graph") return "use graph.user and graph.password_file instead";
    return "use " + section + ".api_key_file or " + section + ".api_key_credential instead";
}

bool contains_any(std::string_view text, std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return text.find(word) != text.npos; });
}

// Names of query parameters under which credentials travel ("?api_key=…"): they would be shown with the URL.
bool holds_credential(std::string query) {
    for (char& c : query) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    for (std::size_t begin = 0; begin < query.size();) {
        const std::size_t end = std::min(query.find('&', begin), query.size());
        const std::string_view parameter = std::string_view(query).substr(begin, end - begin);
        const std::string_view name = parameter.substr(0, parameter.find('='));
        if (contains_any(name, {"key", "token", "secret", "pass", "auth", "sig", "%"})) return true;
        begin = end + 1;
    }
    return false;
}

bool is_port(std::string_view text, int lowest) {
    int port = -1;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
    return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && port >= lowest &&
           port <= 65'535;
}

// redis://HOST:PORT and unix:/path. For the first, HTTP's rules about hosts and ports do.
std::optional<Complaint> check_graph_url(const Match& match, const std::string& url) {
    if (url.starts_with("unix:/")) return std::nullopt;
    const auto colon = url.find("://");
    const std::string scheme = url.substr(0, colon);
    const auto parsed = colon == url.npos || (scheme != "redis" && scheme != "rediss")
                            ? std::nullopt
                            : http::parse_url("http" + url.substr(colon));
    if (!parsed) {
        return Complaint{match.path() + " is not a FalkorDB URL",
                         "write redis://HOST:PORT, rediss://HOST:PORT or unix:/path/of/the/socket"};
    }
    if (parsed->has_user_info)
        return Complaint{match.path() + " contains a user or a password", secret_hint(match)};
    return std::nullopt;
}

using Parsed = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

Parsed parse_connection(const std::string& text) {
    char* message = nullptr;  // libpq's own, which quotes the text: never shown
    Parsed parsed(PQconninfoParse(text.c_str(), &message), &PQconninfoFree);
    PQfreemem(message);
    return parsed;
}

template <typename Visit>
void each_set(const Parsed& parsed, Visit visit) {
    for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
        if (option->val != nullptr) visit(std::string(option->keyword), std::string(option->val));
    }
}

// Parameters whose values are shown. Every other one is hidden, those of later versions of libpq included.
bool is_open(const std::string& keyword) {
    static const std::vector<std::string_view> open{"host",
                                                    "hostaddr",
                                                    "port",
                                                    "dbname",
                                                    "application_name",
                                                    "connect_timeout",
                                                    "sslmode",
                                                    "sslrootcert",
                                                    "sslcert",
                                                    "sslkey",
                                                    "passfile",
                                                    "target_session_attrs",
                                                    "options",
                                                    "keepalives",
                                                    "keepalives_idle",
                                                    "keepalives_interval",
                                                    "keepalives_count",
                                                    "tcp_user_timeout",
                                                    "channel_binding",
                                                    "gssencmode",
                                                    "client_encoding",
                                                    "service"};
    return std::find(open.begin(), open.end(), keyword) != open.end();
}

bool is_uri(const std::string& text) {
    return text.starts_with("postgresql://") || text.starts_with("postgres://");
}

// A value as keywords have it: quoted where it has to be.
std::string keyword_value(const std::string& value) {
    if (!value.empty() && value.find_first_of(" '\\") == value.npos) return value;
    std::string out = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out + "'";
}

}  // namespace

std::optional<Complaint> check_url(const Match& match, const std::string& url) {
    if (!match.key->schemes.empty()) return check_graph_url(match, url);
    const auto parsed = http::parse_url(url);
    if (!parsed) {
        return Complaint{match.path() + " is not an http:// or https:// URL",
                         "write http://HOST:PORT or https://HOST"};
    }
    if (parsed->has_user_info || holds_credential(parsed->query)) {
        return Complaint{match.path() + " contains credentials, but URLs appear in logs", secret_hint(match)};
    }
    return std::nullopt;
}

std::optional<Complaint> check_connection(const std::string& name, const std::string& text) {
    const Parsed parsed =
        text.find('\0') == text.npos ? parse_connection(text) : Parsed(nullptr, &PQconninfoFree);
    if (!parsed) {
        return Complaint{
            name + " is neither a libpq URI nor libpq keywords",
            "write postgresql://HOST:PORT/DATABASE, or host=... port=... dbname=...; in a URI the "
            "characters @ : / ? # % of a password are written %40 %3A %2F %3F %23 %25"};
    }
    std::optional<Complaint> complaint;
    each_set(parsed, [&](const std::string& keyword, const std::string& value) {
        if (keyword != "port") return;
        for (std::size_t begin = 0; begin <= value.size();) {
            const std::size_t end = std::min(value.find(',', begin), value.size());
            if (end > begin && !is_port(std::string_view(value).substr(begin, end - begin), 1)) {
                complaint =
                    Complaint{name + " has an invalid port",
                              "a port is a number up to 65535; a / in a URI's password is written %2F"};
            }
            begin = end + 1;
        }
    });
    return complaint;
}

std::string show_connection(const std::string& text) {
    constexpr const char* hidden = "(hidden)";
    const Parsed parsed =
        text.find('\0') == text.npos ? parse_connection(text) : Parsed(nullptr, &PQconninfoFree);
    if (!parsed) return hidden;
    bool all_open = text.find('@') == text.npos;
    each_set(parsed, [&](const std::string& keyword, const std::string&) {
        all_open = all_open && is_open(keyword);
    });
    if (all_open) return text;
    // Written anew from what libpq understood, so that nothing slips through that only we misread. A value
    // with an @ is what is left of a password that was not encoded.
    std::string host, port, dbname, rest;
    const bool uri = is_uri(text);
    each_set(parsed, [&](const std::string& keyword, const std::string& value) {
        const std::string shown = is_open(keyword) && value.find('@') == value.npos ? value : hidden;
        if (!uri) {
            rest += (rest.empty() ? "" : " ") + keyword + "=" + keyword_value(shown);
        } else if (keyword == "host") {
            host = shown;
        } else if (keyword == "port") {
            port = shown;
        } else if (keyword == "dbname") {
            dbname = shown;
        } else if (keyword != "user" && keyword != "password") {
            rest += (rest.empty() ? "?" : "&") + keyword + "=" + shown;
        }
    });
    if (!uri) return rest;
    const bool brackets = host.find(':') != host.npos && host.find(',') == host.npos;
    // Several hosts, and sockets' paths, are shown as parameters: libpq reads them there as well.
    if (host.find_first_of(",/") != host.npos) {
        rest += (rest.empty() ? "?" : "&") + ("host=" + host) + (port.empty() ? "" : "&port=" + port);
        host.clear();
        port.clear();
    }
    return std::string("postgresql://") + hidden + "@" + (brackets ? "[" + host + "]" : host) +
           (port.empty() ? "" : ":" + port) + "/" + dbname + rest;
}

std::optional<Complaint> check_listen(const std::string& address, bool allow_remote) {
    if (address.empty() || address.starts_with("unix:/")) return std::nullopt;
    const auto colon = address.rfind(':');
    const bool v6 = address.starts_with('[');
    const std::string host = colon == address.npos ? "" : address.substr(0, colon);
    bool well_formed = !host.empty() && is_port(std::string_view(address).substr(colon + 1), 0) &&
                       (v6 ? host.ends_with(']') : host.find(':') == host.npos);
    try {
        http::parse_listen(address);
    } catch (const StartError&) {
        well_formed = false;  // a name, for one: what it resolves to may change
    }
    if (!well_formed) {
        return Complaint{"metrics.listen is not an address to listen on",
                         "write \"127.0.0.1:9464\", \"[::1]:9464\" or \"unix:/run/memoird/metrics.sock\""};
    }
    if (!allow_remote && !http::is_loopback("http://" + host + "/")) {
        return Complaint{
            "metrics.listen is not a loopback address",
            "listen on 127.0.0.1 or a unix socket, or set metrics.allow_remote = true: every client "
            "that can reach it can then read the status page"};
    }
    return std::nullopt;
}

}  // namespace memoir::config
