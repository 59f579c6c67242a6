#pragma once
// What the stages that work on one job after the other share: a member's failure is its own. Thread safety:
// function.

#include <span>

#include "endpoint/endpoint.hpp"
#include "work/pg_failure.hpp"
#include "work/stage.hpp"

namespace memoir::stages {

// Calls one(claim, member) for each. A database that is away is nobody's failure: it ends the batch.
template <typename One>
work::Result each_member(std::span<work::Claim> claims, One&& one) {
    work::Result result;
    result.failures.resize(claims.size());
    for (std::size_t member = 0; member < claims.size(); ++member) {
        const endpoint::OnBehalf job({claims[member].job().id});
        try {
            one(claims[member], member);
        } catch (const Failure& failure) {
            result.failures[member] = failure;
        } catch (const pg::Error& error) {
            if (work::passes_by_itself(error)) throw;
            result.failures[member] = work::to_failure(error);
        }
    }
    return result;
}

}  // namespace memoir::stages
