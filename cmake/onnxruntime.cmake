# ONNX Runtime is opened at run time (src/model/onnx_runtime.cpp), so a build needs its C header alone: the
# daemon is packaged without the library, and starts without it where no served kind needs a model.
#
# Where the system has header and library they are used, and nothing is fetched; else the header of
# scripts/fetch-models, and at run time the library of the package memoird-local-models.
set(ONNXRUNTIME_API 21)  # of 1.21, the oldest that is asked for; newer libraries serve it too

option(MEMOIRD_SYSTEM_ONNXRUNTIME "Use the system's ONNX Runtime where it has one" ON)
set(ONNXRUNTIME_INCLUDE_DIR "" CACHE PATH "Folder of onnxruntime_c_api.h")

function(api_of folder result)
  file(STRINGS ${folder}/onnxruntime_c_api.h line REGEX "^#define ORT_API_VERSION ")
  string(REGEX MATCH "[0-9]+" api "${line}")
  set(${result} ${api} PARENT_SCOPE)
endfunction()

set(ONNXRUNTIME_SONAME "")  # of the system's library; empty: it has none
if(MEMOIRD_SYSTEM_ONNXRUNTIME AND NOT ONNXRUNTIME_INCLUDE_DIR)
  find_path(system_header onnxruntime_c_api.h NO_CACHE PATH_SUFFIXES onnxruntime onnxruntime/core/session core/session)
  if(system_header)
    api_of(${system_header} api)
    if(NOT api LESS ONNXRUNTIME_API)
      set(onnxruntime_header ${system_header})
      # The name that its package promises: the one without a version comes with the development files.
      find_library(system_library onnxruntime NO_CACHE)
      if(system_library)
        execute_process(COMMAND ${CMAKE_READELF} -d ${system_library} OUTPUT_VARIABLE dynamic ERROR_QUIET)
        if(dynamic MATCHES "SONAME[^\n]*\\[([^]\n]+)\\]")
          set(ONNXRUNTIME_SONAME ${CMAKE_MATCH_1})
        endif()
      endif()
    endif()
  endif()
endif()
if(NOT onnxruntime_header)
  find_path(onnxruntime_header onnxruntime_c_api.h NO_CACHE
    PATHS ${ONNXRUNTIME_INCLUDE_DIR} ${CMAKE_SOURCE_DIR}/build/onnxruntime/include NO_DEFAULT_PATH)
endif()
if(NOT onnxruntime_header)
  message(FATAL_ERROR "onnxruntime_c_api.h of API ${ONNXRUNTIME_API} (ONNX Runtime 1.21) or newer was not found.\n"
    "HINT: run scripts/fetch-models header, or install ONNX Runtime's development package, "
    "or say -DONNXRUNTIME_INCLUDE_DIR=FOLDER")
endif()
api_of(${onnxruntime_header} api)
if(api LESS ONNXRUNTIME_API)
  message(FATAL_ERROR "${onnxruntime_header}/onnxruntime_c_api.h is of API ${api}, "
    "${ONNXRUNTIME_API} (ONNX Runtime 1.21) is needed.\n"
    "HINT: run scripts/fetch-models header, and say -DONNXRUNTIME_INCLUDE_DIR=${CMAKE_SOURCE_DIR}/build/onnxruntime/include")
endif()

# Where the package of the local models puts the library: private, so that it meets no other program.
include(GNUInstallDirs)
set(MEMOIRD_PRIVATE_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}/memoird" CACHE PATH
  "Folder in which memoird looks for libonnxruntime.so before the system's")

add_library(memoir_onnxruntime INTERFACE)
target_include_directories(memoir_onnxruntime SYSTEM INTERFACE ${onnxruntime_header})
target_compile_definitions(memoir_onnxruntime INTERFACE
  MEMOIRD_ORT_API=${ONNXRUNTIME_API} MEMOIRD_PRIVATE_LIBDIR="${MEMOIRD_PRIVATE_LIBDIR}")
if(ONNXRUNTIME_SONAME)
  message(STATUS "ONNX Runtime: the system's ${ONNXRUNTIME_SONAME}")
  target_compile_definitions(memoir_onnxruntime INTERFACE MEMOIRD_SYSTEM_ORT="${ONNXRUNTIME_SONAME}")
endif()
