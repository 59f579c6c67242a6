#include "queue/probe_request.hpp"

#include "pg/name.hpp"

namespace memoir::queue {

pg::Statement request_probe(const std::string& schema, const std::string& backend) {
    return {
        "insert into " + pg::qualified(schema, "memoird_settings") +
            " (name, value) values ('probe', $1 || ' ' || clock_timestamp()) on conflict (name) do update "
            "set value = excluded.value",
        pg::Params().add(backend)};
}

pg::Statement last_probe_request(const std::string& schema) {
    return {"select value from " + pg::qualified(schema, "memoird_settings") + " where name = 'probe'"};
}

ProbeRequest read_probe_request(const pg::Result& result) {
    if (result.empty()) return {};
    auto text = result.string(0, 0);
    auto backend = text.substr(0, text.find(' '));
    return {std::move(text), std::move(backend)};
}

}  // namespace memoir::queue
