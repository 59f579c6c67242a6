// Pauses are rows that every memoird of the fleet reads with its probe, so they outlive processes and hosts.
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/failure.hpp"
#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"
#include "ctl/jobs.hpp"
#include "queue/pauses.hpp"

namespace memoir::ctl {
namespace {

std::string who() {
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    const auto* entry = getpwuid(geteuid());
    return (entry ? std::string(entry->pw_name) : std::to_string(geteuid())) + "@" + host.data();
}

void need_table(Context& context) {
    if (!context.additions().pauses)
        throw StartError("schema " + context.schema() + " has no table memoird_pauses",
                         "memoirctl schema apply creates it");
}

const char* of_kinds(const std::string& kind) {
    return kind == queue::every_kind ? "every kind" : kind.c_str();
}

int pause(Context& context, const Arguments& arguments) {
    need_table(context);
    const auto kind = arguments.get("kind").value_or(std::string(queue::every_kind));
    const auto by = who();
    const auto insert = queue::insert_pause(context.schema(), kind, by);
    const bool changed = !context.database().exec(insert.sql, insert.params).empty();
    if (changed)
        context.log().warning("memoir.fleet.paused",
                              "claims of this kind are paused in the whole fleet until resumed",
                              {{"kind", kind}, {"by", by}});
    context.print({{"kind", kind}, {"changed", changed}}, [&](std::ostream& out) {
        out << of_kinds(kind) << (changed ? " is paused\n" : " was already paused\n");
    });
    return ok;
}

int resume(Context& context, const Arguments& arguments) {
    need_table(context);
    const auto kind = arguments.get("kind").value_or(std::string(queue::every_kind));
    const auto remove = queue::delete_pause(context.schema(), kind);
    const auto rows = context.database().exec(remove.sql, remove.params);
    std::vector<std::string> resumed;
    for (int row = 0; row < rows.rows(); ++row) {
        resumed.push_back(rows.string(row, 0));
        context.log().info("memoir.fleet.resumed", "claims of this kind are resumed",
                           {{"kind", resumed.back()}, {"by", who()}});
    }
    const auto select = queue::select_pauses(context.schema());
    const auto left = queue::read_pauses(context.database().exec(select.sql, select.params));
    context.print({{"resumed", resumed}, {"still_paused", !left.empty()}}, [&](std::ostream& out) {
        for (const auto& each : resumed) out << of_kinds(each) << " is resumed\n";
        if (resumed.empty()) out << of_kinds(kind) << " was not paused\n";
        if (const auto* held = kind == queue::every_kind ? nullptr : queue::pause_of(left, kind))
            out << "but every kind has been paused since " << held->paused_at << "\nHINT: memoirctl resume\n";
    });
    return ok;
}

}  // namespace

Command pause_command() {
    return {"pause",
            "",
            "stop claiming jobs in the whole fleet until resumed; jobs in hand are finished",
            {kind_choice("only this kind")},
            pause};
}

Command resume_command() {
    return {"resume", "", "end pauses", {kind_choice("only the pause of this kind")}, resume};
}

}  // namespace memoir::ctl
