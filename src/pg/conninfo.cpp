#include "pg/conninfo.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "pg/error.hpp"

namespace memoir::pg {
namespace {

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> parts;
    while (true) {
        const auto comma = list.find(',');
        parts.emplace_back(list.substr(0, comma));
        if (comma == std::string_view::npos) return parts;
        list.remove_prefix(comma + 1);
    }
}

// libpq's rule for what it expands when it is given as the database name.
bool is_connection_string(const std::string& text) {
    return text.starts_with("postgresql://") || text.starts_with("postgres://") ||
           text.find('=') != std::string::npos;
}

[[noreturn]] void refuse(const char* why) {
    throw Error(ErrorClass::other, "", std::string("connect: ") + why);
}

std::vector<Target> targets(const std::string& hosts, const std::string& addresses,
                            const std::string& ports) {
    if (hosts.empty() && addresses.empty()) return {};
    const auto names = split(hosts), numbers = split(addresses), doors = split(ports);
    const auto count = std::max(names.size(), numbers.size());
    if ((!hosts.empty() && names.size() != count) || (!addresses.empty() && numbers.size() != count) ||
        (doors.size() != 1 && doors.size() != count))
        refuse("the lists of hosts, addresses and ports differ in length");
    std::vector<Target> list;
    for (std::size_t i = 0; i < count; ++i)
        list.push_back({hosts.empty() ? "" : names[i], addresses.empty() ? "" : numbers[i],
                        doors.size() == 1 ? doors[0] : doors[i]});
    return list;
}

}  // namespace

bool conninfo_parses(const std::string& conninfo) {
    if (!is_connection_string(conninfo)) return true;  // a database's name
    char* message = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        PQconninfoParse(conninfo.c_str(), &message), &PQconninfoFree);
    if (message != nullptr) PQfreemem(message);  // quotes the string: never shown
    return options != nullptr;
}

Conninfo read_conninfo(const std::string& conninfo) {
    if (!conninfo_parses(conninfo)) refuse("the connection string does not parse");

    // Only a PGconn merges string, service file, environment and defaults. An impossible channel_binding
    // makes libpq give up after the merge and before it touches the network.
    const std::array<const char*, 3> keys{"dbname", "channel_binding", nullptr};
    const std::array<const char*, 3> values{conninfo.c_str(), "memoird-reads-only", nullptr};
    const std::unique_ptr<PGconn, decltype(&PQfinish)> probe(
        PQconnectStartParams(keys.data(), values.data(), 1), &PQfinish);
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        probe ? PQconninfo(probe.get()) : nullptr, &PQconninfoFree);
    if (!options) throw Error(ErrorClass::other, "", "connect: out of memory");

    Conninfo info;
    std::string host, hostaddr, port;
    for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
        const std::string_view key = option->keyword;
        if (option->val == nullptr) continue;
        if (key == "host") host = option->val;
        if (key == "hostaddr") hostaddr = option->val;
        if (key == "port") port = option->val;
        if (key == "target_session_attrs") info.target_session_attrs = option->val;
        // "keepalives" itself has a default: it says nothing about the operator.
        if (key.starts_with("keepalives_")) info.has_keepalive = true;
        if (key == "tcp_user_timeout") info.has_user_timeout = true;
    }
    info.targets = targets(host, hostaddr, port);
    return info;
}

}  // namespace memoir::pg
