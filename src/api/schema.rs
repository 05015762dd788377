//! The CustomResourceDefinition, generated from the types and put on a diet.
