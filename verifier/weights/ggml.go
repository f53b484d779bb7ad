package weights

// ggufPrefix stands before the name of a GGML type in a dtype: GGML's F16 and that of safetensors hold the same
// numbers, but their shapes are written in opposite orders.
const ggufPrefix = "GGML:"

// ggmlType is one of GGML's numeric formats: blocks of so many elements, each of so many bytes.
type ggmlType struct {
	name         string
	block, bytes uint64
}

// ggmlTypes are the formats by their numbers in a tensor info (ggml.h, enum ggml_type; the sizes are those of the structs in
// ggml-common.h). The numbers left out are those of formats that GGML withdrew.
var ggmlTypes = map[uint32]ggmlType{
	0: {"F32", 1, 4}, 1: {"F16", 1, 2}, 30: {"BF16", 1, 2}, 28: {"F64", 1, 8},
	24: {"I8", 1, 1}, 25: {"I16", 1, 2}, 26: {"I32", 1, 4}, 27: {"I64", 1, 8},

	2: {"Q4_0", 32, 18}, 3: {"Q4_1", 32, 20}, 6: {"Q5_0", 32, 22}, 7: {"Q5_1", 32, 24}, 8: {"Q8_0", 32, 34}, 9: {"Q8_1", 32, 36},
	10: {"Q2_K", 256, 84}, 11: {"Q3_K", 256, 110}, 12: {"Q4_K", 256, 144}, 13: {"Q5_K", 256, 176}, 14: {"Q6_K", 256, 210}, 15: {"Q8_K", 256, 292},

	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 22: {"IQ2_S", 256, 82}, 18: {"IQ3_XXS", 256, 98}, 21: {"IQ3_S", 256, 110},
	19: {"IQ1_S", 256, 50}, 29: {"IQ1_M", 256, 56}, 20: {"IQ4_NL", 32, 18}, 23: {"IQ4_XS", 256, 136},

	34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66}, 39: {"MXFP4", 32, 17}, 40: {"NVFP4", 64, 36}, 41: {"Q1_0", 128, 18}, 42: {"Q2_0", 64, 18},
}

// ggufTypes has the same formats by their dtype, and ggufNames the dtype by number: one text for all tensors that have it.
var ggufTypes, ggufNames = func() (map[string]layout, map[uint32]string) {
	types, names := make(map[string]layout), make(map[uint32]string)
	for number, t := range ggmlTypes {
		names[number] = ggufPrefix + t.name
		types[names[number]] = layout{t.block, 8 * t.bytes}
	}
	return types, names
}()
