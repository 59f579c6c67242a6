#include "service/start_up_code.hpp"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <span>

namespace memoir::service {
namespace {

// An object with relocations in its code has written to it: releasing its pages would undo them.
bool writes_to_its_code(const dl_phdr_info& object, std::span<const ElfW(Phdr)> segments) {
    for (const auto& segment : segments) {
        if (segment.p_type != PT_DYNAMIC) continue;
        const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + segment.p_vaddr);
        for (; entry->d_tag != DT_NULL; ++entry)
            if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL)))
                return true;
    }
    return false;
}

int release(dl_phdr_info* object, std::size_t, void*) {
    const std::span segments(object->dlpi_phdr, object->dlpi_phnum);
    const auto page = static_cast<ElfW(Addr)>(sysconf(_SC_PAGESIZE));
    const auto kernels_own = getauxval(AT_SYSINFO_EHDR);
    if (object->dlpi_addr == kernels_own || writes_to_its_code(*object, segments)) return 0;
    for (const auto& segment : segments) {
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
        const auto begin = (object->dlpi_addr + segment.p_vaddr) / page * page;
        const auto end = (object->dlpi_addr + segment.p_vaddr + segment.p_memsz + page - 1) / page * page;
        madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    return 0;
}

}  // namespace

void release_start_up_code() {
    dl_iterate_phdr(release, nullptr);
}

}  // namespace memoir::service
