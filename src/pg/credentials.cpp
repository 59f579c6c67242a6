#include "pg/credentials.hpp"

#include <libpq-fe.h>

#include <memory>

namespace memoir::pg {

namespace {

// The parts that say where it leads, and as what. Nothing: it does not parse.
std::optional<std::map<std::string, std::string>> destination(const std::string& conninfo) {
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        PQconninfoParse(conninfo.c_str(), nullptr), &PQconninfoFree);
    if (!options) return std::nullopt;
    std::map<std::string, std::string> parts;
    for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
        const std::string key = option->keyword;
        if (option->val != nullptr && key != "user" && key != "password") parts[key] = option->val;
    }
    return parts;
}

}  // namespace

Credentials& Credentials::shared() {
    static Credentials credentials;
    return credentials;
}

void Credentials::source(Source source) {
    std::lock_guard lock(mutex_);
    source_ = std::move(source);
    renewed_.clear();
}

std::string Credentials::current(const std::string& conninfo) const {
    std::lock_guard lock(mutex_);
    const auto found = renewed_.find(conninfo);
    return found == renewed_.end() ? conninfo : found->second;
}

bool Credentials::renew(const std::string& conninfo) {
    Source source;
    {
        std::lock_guard lock(mutex_);
        source = source_;
    }
    if (!source) return false;
    const auto now = source(conninfo);
    if (!now || *now == current(conninfo)) return false;
    const auto before = destination(conninfo), after = destination(*now);
    if (!before || !after || *before != *after) return false;
    std::lock_guard lock(mutex_);
    renewed_[conninfo] = *now;
    return true;
}

}  // namespace memoir::pg
