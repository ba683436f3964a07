class CaseModel:
    def forward(self, x):
        continue


__all__ = ["CaseModel"]
