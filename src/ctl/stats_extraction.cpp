#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"
#include "ctl/scope_options.hpp"
#include "ctl/table.hpp"
#include "memory/reconcile.hpp"

namespace memoir::ctl {
namespace {

double share(const memory::ExtractionStats& row) {
    return row.facts == 0 ? 0 : static_cast<double>(row.rejected) / static_cast<double>(row.facts);
}

std::string percent(double part) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%.1f %%", part * 100);
    return text.data();
}

int run(Context& context, const Arguments& arguments) {
    if (!arguments.rest().empty()) throw Usage("stats extraction takes no argument beside its options");
    const auto rows = memory::extraction_stats(context.database(), context.schema(), read_scope(arguments));
    auto list = nlohmann::json::array();
    for (const auto& row : rows)
        list.push_back({{"provider", row.provider},
                        {"model", row.model},
                        {"facts", row.facts},
                        {"rejected", row.rejected},
                        {"stale", row.stale},
                        {"rejected_share", share(row)}});
    context.print({{"models", list}}, [&](std::ostream& out) {
        if (rows.empty()) {
            out << "no facts were extracted\n";
            return;
        }
        Table table({{"PROVIDER"},
                     {"MODEL"},
                     {"FACTS", Table::Align::right},
                     {"REJECTED", Table::Align::right},
                     {"STALE", Table::Align::right},
                     {"REJECTED %", Table::Align::right}});
        for (const auto& row : rows)
            table.add({row.provider, row.model, std::to_string(row.facts), std::to_string(row.rejected),
                       std::to_string(row.stale), percent(share(row))});
        out << table;
    });
    return ok;
}

}  // namespace

Command stats_extraction_command() {
    return {"stats extraction",
            "",
            "facts per provider and model, and the share retired as rejected",
            {{"agent", "A", "of this agent only"},
             {"org", "O", "of this organisation only"},
             {"user", "U", "of this user only"}},
            run,
            "The figure to compare models by: of the facts that each one found, how many were rejected by a "
            "correction.",
            Rights::read};
}

}  // namespace memoir::ctl
